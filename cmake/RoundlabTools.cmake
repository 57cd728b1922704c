# Build tools that are used when they are there: ccache and lld. The build presets let ccache keep what
# is compiled with precompiled headers too (CCACHE_SLOPPINESS).
find_program(ROUNDLAB_CCACHE ccache)
if(ROUNDLAB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ROUNDLAB_CCACHE})
endif()
# Not mold: 1.10, which Debian 12 has, lays some programs out for ever, by chance of their contents and of the build
# folder's name, and begins the read-only part of others where they can't start.
find_program(ROUNDLAB_LLD ld.lld)
if(ROUNDLAB_LLD)
  add_link_options(-fuse-ld=lld)
endif()
