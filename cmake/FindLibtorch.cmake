# FindLibtorch: target libtorch::libtorch, without Torch's own CMake package (which wants the CUDA
# toolkit when its build has CUDA). LibtorchRoot.cmake says which folder is taken and why.
#   LIBTORCH_LINK_CUDA   ON: also link libtorch_cuda and libc10_cuda (every library they need must then
#                        be installed). OFF (default): the CPU part only.
# Sets Libtorch_FOUND, Libtorch_VERSION, Libtorch_LIBRARY_DIR, Libtorch_HAS_CUDA, and in the cache
# Libtorch_USED_ROOT, by which the scripts see that a build folder was made with another libtorch.
option(LIBTORCH_LINK_CUDA "link libtorch_cuda directly" OFF)
include(${CMAKE_CURRENT_LIST_DIR}/LibtorchRoot.cmake)
roundlab_libtorch_root(_root)
if(_root_ERROR)
  message(FATAL_ERROR "${_root_ERROR}")
elseif(NOT _root)
  roundlab_private_libtorch(_private)
  message(FATAL_ERROR "no libtorch: run scripts/setup, or set ROUNDLAB_LIBTORCH to a folder with its "
    "include/ and lib/ (looked in CMAKE_PREFIX_PATH and ${_private})")
endif()
if(NOT _root STREQUAL "${Libtorch_USED_ROOT}")
  foreach(_name IN ITEMS INCLUDE_DIR API_INCLUDE_DIR torch_cpu_LIBRARY c10_LIBRARY torch_cuda_LIBRARY
          c10_cuda_LIBRARY)
    unset(Libtorch_${_name} CACHE)
  endforeach()
endif()
set(Libtorch_USED_ROOT "${_root}" CACHE INTERNAL "the libtorch of this build folder")

find_path(Libtorch_INCLUDE_DIR NAMES ATen/ATen.h PATHS "${_root}/include" NO_DEFAULT_PATH)
find_path(Libtorch_API_INCLUDE_DIR NAMES torch/torch.h
  PATHS "${_root}/include/torch/csrc/api/include" NO_DEFAULT_PATH)
foreach(_name IN ITEMS torch_cpu c10 torch_cuda c10_cuda)
  find_library(Libtorch_${_name}_LIBRARY NAMES ${_name}
    PATHS "${_root}/lib" "${_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" NO_DEFAULT_PATH)
  mark_as_advanced(Libtorch_${_name}_LIBRARY)
endforeach()
mark_as_advanced(Libtorch_INCLUDE_DIR Libtorch_API_INCLUDE_DIR)

set(Libtorch_VERSION "")
foreach(_file IN ITEMS "${Libtorch_INCLUDE_DIR}/torch/headeronly/version.h"
        "${Libtorch_API_INCLUDE_DIR}/torch/version.h")
  if(NOT Libtorch_VERSION AND EXISTS "${_file}")
    file(READ "${_file}" _text)
    if(_text MATCHES "VERSION_MAJOR ([0-9]+).*VERSION_MINOR ([0-9]+).*VERSION_PATCH ([0-9]+)")
      set(Libtorch_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
    endif()
  endif()
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libtorch
  REQUIRED_VARS Libtorch_torch_cpu_LIBRARY Libtorch_c10_LIBRARY Libtorch_INCLUDE_DIR
                Libtorch_API_INCLUDE_DIR
  VERSION_VAR Libtorch_VERSION)

# A wheel's libraries and setup's find the two NVIDIA libraries they need by their own run path, at link
# time too: no -rpath of ours is needed beyond the folder of libtorch itself, which CMake adds.
if(Libtorch_FOUND AND NOT TARGET libtorch::libtorch)
  get_filename_component(Libtorch_LIBRARY_DIR "${Libtorch_torch_cpu_LIBRARY}" DIRECTORY)
  set(Libtorch_HAS_CUDA OFF)
  if(Libtorch_torch_cuda_LIBRARY)
    set(Libtorch_HAS_CUDA ON)
  endif()
  add_library(libtorch::libtorch INTERFACE IMPORTED)
  target_include_directories(libtorch::libtorch INTERFACE
    "${Libtorch_INCLUDE_DIR}" "${Libtorch_API_INCLUDE_DIR}")
  target_link_libraries(libtorch::libtorch INTERFACE
    "${Libtorch_torch_cpu_LIBRARY}" "${Libtorch_c10_LIBRARY}" ${CMAKE_DL_LIBS})
  if(LIBTORCH_LINK_CUDA AND Libtorch_torch_cuda_LIBRARY)
    target_link_options(libtorch::libtorch INTERFACE
      "LINKER:--no-as-needed,${Libtorch_torch_cuda_LIBRARY},${Libtorch_c10_cuda_LIBRARY},--as-needed")
  endif()
endif()
