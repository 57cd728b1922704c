# FindArrow: target arrow::parquet, Apache Arrow's reader of Parquet files. ArrowRoot.cmake says which
# folder is taken and why. Sets Arrow_FOUND, Arrow_VERSION, and in the cache Arrow_USED_ROOT (`none` where
# there is none), by which the scripts see that a build folder was made with another Arrow.
include(${CMAKE_CURRENT_LIST_DIR}/ArrowRoot.cmake)
roundlab_arrow_root(Arrow_FOLDER)
if(Arrow_FOLDER_ERROR)
  message(FATAL_ERROR "${Arrow_FOLDER_ERROR}")
endif()
set(_used none)
unset(Arrow_VERSION)
if(Arrow_FOLDER)
  set(_used "${Arrow_FOLDER}")
  roundlab_arrow_library(_arrow "${Arrow_FOLDER}" arrow)
  roundlab_arrow_library(_parquet "${Arrow_FOLDER}" parquet)
  file(READ "${Arrow_FOLDER}/include/arrow/util/config.h" _text)
  if(_text MATCHES "define ARROW_VERSION_STRING \"([0-9.]+)")
    set(Arrow_VERSION "${CMAKE_MATCH_1}")
  endif()
endif()
set(Arrow_USED_ROOT "${_used}" CACHE INTERNAL "the Arrow of this build folder")

if(Arrow_FOLDER AND NOT Arrow_FOLDER_FROM STREQUAL "setup")  # named by the user: then it has to do
  set(Arrow_FIND_REQUIRED TRUE)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Arrow REQUIRED_VARS Arrow_FOLDER VERSION_VAR Arrow_VERSION
  REASON_FAILURE_MESSAGE "Parquet files can't be read (scripts/setup --parquet gets it)")

# libparquet finds libarrow, and both what else they need, by their own run path.
if(Arrow_FOUND AND NOT TARGET arrow::parquet)
  add_library(arrow::parquet INTERFACE IMPORTED)
  target_include_directories(arrow::parquet INTERFACE "${Arrow_FOLDER}/include")
  target_link_libraries(arrow::parquet INTERFACE "${_parquet}" "${_arrow}")
endif()
