# Build tools that are used when they are there: ccache and mold. The build presets let ccache keep what
# is compiled with precompiled headers too (CCACHE_SLOPPINESS).
find_program(ROUNDLAB_CCACHE ccache)
if(ROUNDLAB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ROUNDLAB_CCACHE})
endif()
find_program(ROUNDLAB_MOLD mold)
if(ROUNDLAB_MOLD)
  # mold 1.10 begins the read-only part at a page that no segment has, where a thread_local of one byte
  # (ATen's) falls on the last bytes of a page: such a program, one in some 800, can't start.
  add_link_options(-fuse-ld=mold -Wl,-z,norelro)
endif()
