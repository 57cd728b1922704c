# Where libtorch is: one answer for FindLibtorch and for the scripts, which run
#   cmake -P cmake/LibtorchRoot.cmake
# A root is a folder with include/ and lib/: an unpacked libtorch archive, the site-packages/torch of a
# Python installation, or what scripts/setup makes. The first of these wins:
#   1. Libtorch_ROOT (CMake variable), then ROUNDLAB_LIBTORCH (environment); a wrong one is an error
#   2. CMAKE_PREFIX_PATH (variable, then environment): an entry that is a root, a virtual environment
#      that has one, or a root's share/cmake (what Python's torch.utils.cmake_prefix_path says)
#   3. the private folder of scripts/setup, libtorch-VERSION (PrivateFolder.cmake)
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/PrivateFolder.cmake)
set(ROUNDLAB_LIBTORCH_VERSION 2.11.0)

function(roundlab_is_libtorch out folder)
  file(GLOB libraries "${folder}/lib/libtorch_cpu.so" "${folder}/lib/*/libtorch_cpu.so")
  if(libraries AND EXISTS "${folder}/include/ATen/ATen.h")
    set(${out} ON PARENT_SCOPE)
  else()
    set(${out} OFF PARENT_SCOPE)
  endif()
endfunction()

# The folder scripts/setup fills, whether it exists or not.
function(roundlab_private_libtorch out)
  roundlab_private_folder(folder libtorch-${ROUNDLAB_LIBTORCH_VERSION})
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

# The folders a search path may mean, in its order.
function(roundlab_libtorch_candidates out)
  set(found "")
  foreach(prefix IN LISTS ARGN)
    file(GLOB in_environment "${prefix}/lib/python3*/site-packages/torch")
    string(REGEX REPLACE "/share/cmake(/Torch)?/?$" "" above "${prefix}")
    list(APPEND found "${prefix}" ${in_environment} "${above}")
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Sets `out` to the root or to "", `out`_FROM to the setting it comes from, and `out`_ERROR to what is
# wrong with a folder the user has named, or to "".
function(roundlab_libtorch_root out)
  set(root "")
  set(from "")
  set(error "")
  set(variable_Libtorch_ROOT "${Libtorch_ROOT}")
  set(variable_ROUNDLAB_LIBTORCH "$ENV{ROUNDLAB_LIBTORCH}")
  foreach(name IN ITEMS Libtorch_ROOT ROUNDLAB_LIBTORCH)
    if(NOT from AND NOT variable_${name} STREQUAL "")
      set(from ${name})
      set(root "${variable_${name}}")
      roundlab_is_libtorch(good "${root}")
      if(NOT good)
        set(error "${name}=${root}: not a libtorch folder (it needs include/ATen/ATen.h and lib/libtorch_cpu.so)")
      endif()
    endif()
  endforeach()
  string(REPLACE ":" ";" in_environment "$ENV{CMAKE_PREFIX_PATH}")
  roundlab_libtorch_candidates(candidates_CMAKE_PREFIX_PATH ${CMAKE_PREFIX_PATH} ${in_environment})
  roundlab_private_libtorch(candidates_setup)
  foreach(name IN ITEMS CMAKE_PREFIX_PATH setup)
    foreach(folder IN LISTS candidates_${name})
      roundlab_is_libtorch(good "${folder}")
      if(good AND NOT from)
        set(from ${name})
        set(root "${folder}")
      endif()
    endforeach()
  endforeach()
  if(root)
    file(REAL_PATH "${root}" root)
  endif()
  set(${out} "${root}" PARENT_SCOPE)
  set(${out}_FROM "${from}" PARENT_SCOPE)
  set(${out}_ERROR "${error}" PARENT_SCOPE)
endfunction()

# For the scripts, a line each on stdout: root, setting, error, private folder, version of setup's.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  roundlab_libtorch_root(root)
  roundlab_private_libtorch(private)
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo
    "${root}\n${root_FROM}\n${root_ERROR}\n${private}\n${ROUNDLAB_LIBTORCH_VERSION}")
endif()
