// The bytes are a config.json: roundlab::Error, or a model whose blocks can be laid out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/base/error.h"
#include "core/model/families.h"

namespace {

void LayOut(const roundlab::ModelDescription& model) {
  if (model.layers < 1 || model.hidden < 1 || model.vocab < 1) std::abort();
  if (static_cast<std::int64_t>(model.windows.size()) != model.layers) std::abort();
  for (const std::int64_t block : {std::int64_t{0}, model.layers - 1}) {
    const std::size_t linears = model.LinearNames(block).size();
    if (linears == 0 || model.LinearShapes(block).size() != linears) std::abort();
  }
  model.Ends();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    LayOut(roundlab::DescribeHuggingFace({reinterpret_cast<const char*>(data), size}, "fuzz"));
  } catch (const roundlab::Error&) {
  }
  return 0;
}
