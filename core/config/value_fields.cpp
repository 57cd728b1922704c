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

void RealList::Read(const ConfigNode& node, const std::string& path,
                    std::vector<Diagnostic>* diagnostics) {
  if (node.kind != ConfigNode::Kind::kSequence) {
    diagnostics->push_back(
        {node.where, path + ": expected a sequence, got " + std::string(node.KindName())});
    return;
  }
  values_->assign(node.elements.size(), 0);
  // Read as the members "0", "1", ... of a mapping, so that numbers are read in one place.
  ConfigNode members;
  members.kind = ConfigNode::Kind::kMapping;
  members.where = node.where;
  for (std::size_t i = 0; i < node.elements.size(); ++i) {
    members.members.push_back({std::to_string(i), node.elements[i].where, node.elements[i]});
  }
  const auto fields = [&](FieldVisitor& f) {
    for (std::size_t i = 0; i < values_->size(); ++i) {
      f.Real(members.members[i].key.c_str(), &(*values_)[i], allowed_, "", Presence::kRequired);
    }
  };
  ReadFields(members, path, fields, diagnostics);
}

std::string RealList::Write() const {
  std::string text;
  for (double value : *values_) {
    const std::string line = WriteFields([&](FieldVisitor& f) { f.Real("v", &value, {}, ""); });
    text += (text.empty() ? "" : ", ") + line.substr(3, line.size() - 4);  // "v: 0.5\n"
  }
  return "[" + text + "]";
}

}  // namespace roundlab
