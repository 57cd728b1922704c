#include "core/config/optional_field.h"

namespace roundlab {
namespace {

/// Reads `node` as the only field of a struct, so that messages are those of any field.
void ReadAlone(const ConfigNode& node, const std::string& path,
               const std::function<void(FieldVisitor&, const char*)>& field,
               std::vector<Diagnostic>* diagnostics) {
  const std::size_t dot = path.rfind('.');
  const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
  ReadFields(
      AsMember(key, node), dot == std::string::npos ? "" : path.substr(0, dot),
      [&](FieldVisitor& f) { field(f, key.c_str()); }, diagnostics);
}

}  // namespace

void OptionalInt::Read(const ConfigNode& node, const std::string& path,
                       std::vector<Diagnostic>* diagnostics) {
  std::int64_t value = 0;
  ReadAlone(
      node, path, [&](FieldVisitor& f, const char* key) { f.Int(key, &value, allowed_, ""); },
      diagnostics);
  *value_ = value;
}

}  // namespace roundlab
