#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace roundlab {

/// Where a value was written. line and column count from 1; line 0 means the whole source, as for
/// a command-line override, whose `file` is then the flag itself.
struct SourceLoc {
  std::string file;
  int line = 0;
  int column = 0;

  std::string ToString() const;  ///< "a.yaml:3:5", or "a.yaml" where line is 0
};

struct Diagnostic {
  SourceLoc where;
  std::string message;
};

/// All that is wrong with a config, not just the first thing. what() has one diagnostic a line.
class ConfigError : public Error {
 public:
  explicit ConfigError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

/// An immutable value tree with source locations. The only type of the project that comes from
/// YAML: no header includes yaml-cpp.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  struct Member;

  Kind kind = Kind::kNull;
  SourceLoc where;
  std::string scalar;                ///< text as written, kScalar only
  std::vector<ConfigNode> elements;  ///< kSequence only
  std::vector<Member> members;       ///< kMapping only, in file order, keys unique

  const ConfigNode* Find(std::string_view key) const;  ///< null where absent
  /// Find(), of a sequence its element by index ("0"); null where it is not there.
  const ConfigNode* Child(std::string_view key) const;
  /// Where the value at a dotted path ("quant.bits", "pipeline.0.steps") is written; where it is
  /// not there, the place of the innermost value around it.
  const SourceLoc& WhereOf(std::string_view path) const;
  /// The same for the path that a message begins with: "quant.range 'mse' is ...", "batch: ...".
  const SourceLoc& WhereItBegins(std::string_view message) const;
  const char* KindName() const;  ///< "nothing", "a sequence"
};

struct ConfigNode::Member {
  std::string key;
  SourceLoc key_where;
  ConfigNode value;
};

/// The mapping {key: value}, where `value` was written.
ConfigNode AsMember(const std::string& key, const ConfigNode& value);

/// Throws ConfigError on bad YAML and on a duplicate key.
ConfigNode ParseYaml(const std::string& text, const std::string& file);

/// As ParseYaml; throws Error where the file can't be read.
ConfigNode LoadYaml(const std::string& file);

/// YAML that ParseYaml reads back to an equal tree, but for the places.
std::string ToYaml(const ConfigNode& node);

/// Reads `file` and what it extends: `extends: base.yaml` (beside the file) is merged key by key
/// below it, the extending file wins, a sequence or scalar replaces the whole value; of a list of
/// files the later wins over the earlier. Throws
/// ConfigError where files extend each other in a circle.
ConfigNode LoadConfig(const std::string& file);

/// Puts `value` at a dotted path ("quant.bits", "pipeline.0.scheme"); mappings are made on the way,
/// a sequence is entered by index, and a word alone is the `type` of a part, the `path` of a model
/// or the `name` of data. Throws ConfigError at `value.where` where the path can't be followed.
void SetPath(const std::string& path, ConfigNode value, ConfigNode* root);

/// Applies "quant.bits=3": the value is parsed as YAML and its location is "--set quant.bits=3".
void ApplyOverride(const std::string& assignment, ConfigNode* root);

}  // namespace roundlab
