#include "core/config/value_fields.h"

namespace roundlab {

void StringList::Read(const ConfigNode& node, const std::string& path,
                      std::vector<Diagnostic>* diagnostics) {
  if (node.kind != ConfigNode::Kind::kSequence) {
    diagnostics->push_back(
        {node.where, path + ": expected a sequence, got " + std::string(node.KindName())});
    return;
  }
  values_->clear();
  for (std::size_t i = 0; i < node.elements.size(); ++i) {
    const ConfigNode& element = node.elements[i];
    if (element.kind != ConfigNode::Kind::kScalar) {
      diagnostics->push_back({element.where, path + "." + std::to_string(i) +
                                                 ": expected a text, got " + element.KindName()});
      continue;
    }
    values_->push_back(element.scalar);
  }
}

std::string StringList::Write() const {
  std::string text;
  for (const std::string& value : *values_) text += "- " + QuoteScalar(value) + "\n";
  return text;
}

}  // namespace roundlab
