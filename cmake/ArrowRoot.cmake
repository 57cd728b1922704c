# Where Apache Arrow's C++ libraries are (docs/adr/0008): one answer for FindArrow and for the scripts,
# which run
#   cmake -P cmake/ArrowRoot.cmake
# A root is a folder with include/parquet, libarrow.so.* and libparquet.so.*, these in lib/ or beside
# include/: what scripts/setup makes, or the site-packages/pyarrow of a Python installation. The first of
# these wins; without one the program is built all the same and can't read Parquet files:
#   1. Arrow_ROOT (CMake variable), then ROUNDLAB_ARROW (environment); a wrong one is an error, and
#      `off` means none
#   2. the private folder of scripts/setup, arrow-VERSION (PrivateFolder.cmake)
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/PrivateFolder.cmake)
set(ROUNDLAB_ARROW_VERSION 26.0.1)

# The library NAME of a root, or "".
function(roundlab_arrow_library out folder name)
  file(GLOB found "${folder}/lib/lib${name}.so*" "${folder}/lib${name}.so*")
  if(found)
    list(GET found 0 found)
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

function(roundlab_is_arrow out folder)
  roundlab_arrow_library(arrow "${folder}" arrow)
  roundlab_arrow_library(parquet "${folder}" parquet)
  if(arrow AND parquet AND EXISTS "${folder}/include/parquet/arrow/reader.h")
    set(${out} ON PARENT_SCOPE)
  else()
    set(${out} OFF PARENT_SCOPE)
  endif()
endfunction()

# Sets `out` to the root or to "", `out`_FROM to the setting it comes from ("off" counts, too), `out`_ERROR
# to what is wrong with a folder the user has named, or to "", and `out`_PRIVATE to the folder of setup's.
function(roundlab_arrow_root out)
  set(root "")
  set(from "")
  set(error "")
  set(variable_Arrow_ROOT "${Arrow_ROOT}")
  set(variable_ROUNDLAB_ARROW "$ENV{ROUNDLAB_ARROW}")
  foreach(name IN ITEMS Arrow_ROOT ROUNDLAB_ARROW)
    if(NOT from AND NOT variable_${name} STREQUAL "")
      set(from ${name})
      set(root "${variable_${name}}")
      roundlab_is_arrow(good "${root}")
      if(root STREQUAL "off")
        set(root "")
      elseif(NOT good)
        set(error "${name}=${root}: not a folder of Apache Arrow (it needs include/parquet/arrow/reader.h, libarrow.so and libparquet.so; 'off' means none)")
      endif()
    endif()
  endforeach()
  roundlab_private_folder(private arrow-${ROUNDLAB_ARROW_VERSION})
  roundlab_is_arrow(good "${private}")
  if(good AND NOT from)
    set(from setup)
    set(root "${private}")
  endif()
  if(root AND NOT error)
    file(REAL_PATH "${root}" root)
  endif()
  set(${out} "${root}" PARENT_SCOPE)
  set(${out}_FROM "${from}" PARENT_SCOPE)
  set(${out}_ERROR "${error}" PARENT_SCOPE)
  set(${out}_PRIVATE "${private}" PARENT_SCOPE)
endfunction()

# For the scripts, a line each on stdout: root, setting, error, private folder, version of setup's.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  roundlab_arrow_root(root)
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo
    "${root}\n${root_FROM}\n${root_ERROR}\n${root_PRIVATE}\n${ROUNDLAB_ARROW_VERSION}")
endif()
