# ROUNDLAB_INTERFACE: version and hash of all public headers, by which the program knows a plug-in that was
# built against others. A header that is edited has CMake run again.
file(GLOB_RECURSE _headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
  core/*.h optimizers/*.h rounding/*.h eval/*.h)
list(SORT _headers)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_headers})
set(_hashes "")
foreach(_header ${_headers})
  file(SHA256 ${PROJECT_SOURCE_DIR}/${_header} _hash)
  string(APPEND _hashes "${_header} ${_hash}\n")
endforeach()
string(SHA256 _hash "${_hashes}")
string(SUBSTRING ${_hash} 0 12 _hash)
set(ROUNDLAB_INTERFACE "${PROJECT_VERSION}-${_hash}")
