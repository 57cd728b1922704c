# Build tools that are used when they are there: ccache and mold.
find_program(ROUNDLAB_CCACHE ccache)
if(ROUNDLAB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers are cached too, once ccache may trust their time stamps.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${ROUNDLAB_CCACHE})
endif()
find_program(ROUNDLAB_MOLD mold)
if(ROUNDLAB_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
