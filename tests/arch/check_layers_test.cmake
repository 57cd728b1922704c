cmake_minimum_required(VERSION 3.25)
# Whether check_layers.cmake finds what it is for: one planted violation of each kind in a tree that is good
# otherwise. Run as a CTest test:  cmake -D TREE=<folder to write into> -P check_layers_test.cmake
set(checker ${CMAKE_CURRENT_LIST_DIR}/check_layers.cmake)
set(failures "")

# A small tree without a fault.
function(plant_good_tree)
  file(REMOVE_RECURSE ${TREE})
  file(WRITE ${TREE}/core/base/error.h "#include <string>\n")
  file(WRITE ${TREE}/core/base/error.cpp "#include \"core/base/error.h\"\n")
  file(WRITE ${TREE}/core/config/node.cpp "#include <yaml-cpp/yaml.h>\n#include \"core/base/error.h\"\n")
  file(WRITE ${TREE}/optimizers/sgd.h "#include <torch/optim/sgd.h>\n")
  file(WRITE ${TREE}/rounding/tuner/tuner.cpp "#include \"optimizers/sgd.h\"\n")
  file(WRITE ${TREE}/rounding/schemes/rtn.h "#include <ATen/core/Tensor.h>\n")
  file(WRITE ${TREE}/experiments/plan/plan.h "#include \"core/base/error.h\"\n")
  file(WRITE ${TREE}/experiments/run/run.h "#include \"experiments/plan/plan.h\"\n")
endfunction()

# expect(COMPLAINT [FILE TEXT]...): with the files added, the checker fails and says so; "" as complaint:
# it passes.
function(expect complaint)
  plant_good_tree()
  set(files ${ARGN})
  while(files)
    list(POP_FRONT files name text)
    file(APPEND ${TREE}/${name} "${text}\n")
  endwhile()
  execute_process(COMMAND ${CMAKE_COMMAND} -D ROOT=${TREE} -P ${checker}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  string(REGEX REPLACE "[ \n]+" " " said "${said}")
  string(FIND "${said}" "${complaint}" at)
  if(complaint STREQUAL "" AND NOT status EQUAL 0)
    string(APPEND failures "\n  a good tree is refused: ${said}")
  elseif(NOT complaint STREQUAL "" AND (status EQUAL 0 OR at EQUAL -1))
    string(APPEND failures "\n  '${complaint}' was not said, but: ${said}")
  endif()
  set(failures "${failures}" PARENT_SCOPE)
endfunction()

expect("")
expect("core/base/error.cpp: #include \"core/config/node.h\": core/base may include only itself and:"
  core/base/error.cpp "#include \"core/config/node.h\"" core/config/node.h "// empty")
expect("experiments/plan may include only itself and: core, optimizers, rounding, eval"
  experiments/plan/plan.cpp "#include \"experiments/run/run.h\"")
expect("eval may include only itself and: core"
  eval/judge.cpp "#include \"rounding/schemes/rtn.h\"")
expect("in rounding/magic: a folder without a line" rounding/magic/wand.h "// empty")
expect("in core: a folder without a line" core/loose.h "// empty")
expect("includes of ours are written from the root" experiments/run/run.cpp "#include \"run.h\"")
expect("in rounding only the tuner sees optimizers" rounding/pipeline.cpp "#include \"optimizers/sgd.h\"")
expect("rounding/schemes may include only itself and: core, rounding"
  rounding/schemes/rtn.cpp "#include \"optimizers/sgd.h\"")
expect("<hdf5> belongs to files that match" eval/judge.cpp "#include <hdf5.h>")
expect("<hdf5> has one home, not 2" core/metrics/hdf5_file.cpp "#include <hdf5.h>"
  core/metrics/hdf5_sink.cpp "#include <hdf5.h>")
expect("nobody includes <torch/torch.h>" rounding/pipeline.cpp "#include <torch/torch.h>")
expect("core/base, core/config and core/metrics are free of libtorch"
  core/base/error.cpp "#include <ATen/ATen.h>")
expect("a header includes <ATen/core/Tensor.h> at most" rounding/schemes/rtn.h "#include <ATen/ATen.h>")
expect("a circle of files: eval/a -> eval/b -> eval/c -> and so on"
  eval/a.h "// empty" eval/a.cpp "#include \"eval/b.h\"" eval/b.h "// empty" eval/b.cpp "#include \"eval/c.h\""
  eval/c.h "#include \"eval/a.h\"")
expect("a circle of files: rounding/pipeline -> rounding/schemes/x -> and so on"
  rounding/pipeline.h "// empty" rounding/pipeline.cpp "#include \"rounding/schemes/x.h\""
  rounding/schemes/x.h "#include \"rounding/pipeline.h\"")
expect("a circle of files: core/text/unicode/a -> core/text/unicode/b -> and so on"
  core/text/unicode/a.h "#include \"core/text/unicode/b.h\"" core/text/unicode/b.h "#include \"core/text/unicode/a.h\"")
file(REMOVE_RECURSE ${TREE})
if(failures)
  message(FATAL_ERROR "check_layers.cmake:${failures}")
endif()
