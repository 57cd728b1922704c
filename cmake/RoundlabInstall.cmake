# `cmake --install BUILD --prefix FOLDER`: what plug-ins are built with: the headers of all parts, and a
# package for find_package(Roundlab).
include(CMakePackageConfigHelpers)
set(ROUNDLAB_INCLUDE include/roundlab)
install(DIRECTORY core optimizers rounding eval DESTINATION ${ROUNDLAB_INCLUDE}
  FILES_MATCHING PATTERN "*.h")
configure_package_config_file(cmake/RoundlabConfig.cmake.in
  ${CMAKE_BINARY_DIR}/RoundlabConfig.cmake INSTALL_DESTINATION lib/cmake/Roundlab
  PATH_VARS ROUNDLAB_INCLUDE)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/RoundlabConfigVersion.cmake
  COMPATIBILITY ExactVersion)
install(FILES ${CMAKE_BINARY_DIR}/RoundlabConfig.cmake ${CMAKE_BINARY_DIR}/RoundlabConfigVersion.cmake
  DESTINATION lib/cmake/Roundlab)
