# The folder that scripts/setup fills with the libraries NAME (like libtorch-2.11.0), whether it exists
# or not: under $ROUNDLAB_CACHE, else under $XDG_CACHE_HOME/roundlab, $HOME/.cache/roundlab, or build/deps
# of the source tree.
function(roundlab_private_folder out name)
  if(NOT "$ENV{ROUNDLAB_CACHE}" STREQUAL "")
    set(cache "$ENV{ROUNDLAB_CACHE}")
  elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(cache "$ENV{XDG_CACHE_HOME}/roundlab")
  elseif(NOT "$ENV{HOME}" STREQUAL "")
    set(cache "$ENV{HOME}/.cache/roundlab")
  else()
    set(cache "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../build/deps")
  endif()
  file(REAL_PATH "${cache}/${name}" folder)
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()
