# roundlab_options: what every target of ours is compiled with, and nothing of theirs.
add_library(roundlab_options INTERFACE)
target_compile_options(roundlab_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast
  # g++ 12 reports these falsely in std::string code from C++20 on (GCC bug 105651); array-bounds even by
  # the length of the path that a macro holds. subobject-linkage takes the files of a unity build for headers.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-restrict;-Wno-maybe-uninitialized;-Wno-subobject-linkage>
  # By itself g++ collects garbage from the first 128 MB on; libtorch's headers alone are 500 MB.
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=2000000>
  $<$<BOOL:${ROUNDLAB_WERROR}>:-Werror>)
if(ROUNDLAB_SANITIZE)
  target_compile_options(roundlab_options INTERFACE -fsanitize=${ROUNDLAB_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(roundlab_options INTERFACE -fsanitize=${ROUNDLAB_SANITIZE})
endif()

# roundlab_torch: libtorch as a system library, so that its headers raise no warning of ours.
# What is installed finds it where the build did.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
find_package(Libtorch 2.6 REQUIRED)
add_library(roundlab_torch INTERFACE)
target_link_libraries(roundlab_torch INTERFACE libtorch::libtorch)

# Parsing libtorch's headers takes most of a build (ATen.h alone 7 s a file): they are compiled once for
# all targets with TORCH. Files still include what they use.
file(WRITE ${CMAKE_BINARY_DIR}/torch_headers.cpp "// compiled for its precompiled headers only\n")
add_library(roundlab_torch_headers OBJECT ${CMAKE_BINARY_DIR}/torch_headers.cpp)
target_link_libraries(roundlab_torch_headers PRIVATE roundlab_torch roundlab_options)
target_precompile_headers(roundlab_torch_headers PRIVATE <ATen/ATen.h> <torch/optim/optimizer.h>)

# roundlab_library(NAME DIR folder SOURCES ... HEADERS ... [PUBLIC ...] [PRIVATE ...] [TORCH])
# Headers are a verified file set: `all_verify_interface_header_sets` compiles each on its own.
function(roundlab_library name)
  cmake_parse_arguments(A "TORCH" "DIR" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  list(TRANSFORM A_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/${A_DIR}/)
  list(TRANSFORM A_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/${A_DIR}/)
  add_library(${name} STATIC ${A_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
    FILES ${A_HEADERS})
  set_target_properties(${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  target_link_libraries(${name} PUBLIC ${A_PUBLIC} PRIVATE ${A_PRIVATE} roundlab_options)
  if(A_TORCH)
    target_precompile_headers(${name} REUSE_FROM roundlab_torch_headers)
  endif()
endfunction()
