// A task's YAML and, behind its first zero byte, a JSON row: errors, or a document with its
// choices.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "core/config/node.h"
#include "eval/task.h"

namespace {

void Read(const std::string& yaml, const std::string& row) {
  roundlab::TaskOptions task;
  std::vector<roundlab::Diagnostic> diagnostics;
  roundlab::ReadFields(roundlab::ParseYaml(yaml, "fuzz"), "", roundlab::FieldsOf(&task),
                       &diagnostics);
  if (!diagnostics.empty()) return;
  roundlab::Rows rows;
  rows.rows.push_back({nlohmann::ordered_json::parse(row, nullptr, false), "fuzz:1"});
  if (!rows.rows.front().value.is_object()) return;
  for (const roundlab::TaskDocument& document : roundlab::MakeDocuments(task, rows)) {
    const auto count = static_cast<std::int64_t>(document.Count());
    if (count < 1 || document.gold < 0 || document.gold >= count) std::abort();
    for (std::size_t i = 0; i < document.Count(); ++i) {
      if (document.Choice(i).empty()) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  try {
    Read(input.substr(0, zero), zero == std::string::npos ? "{}" : input.substr(zero + 1));
  } catch (const roundlab::Error&) {
  }
  return 0;
}
