#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/config/interval.h"
#include "core/config/node.h"

namespace roundlab {

enum class Presence { kOptional, kRequired };

/// A key that was given and has no say beside others.
struct UnusedKey {
  std::string path;  ///< "scheme.range_lr_factor"
  std::string why;   ///< "without tune_range", "to scheme 'rtn'": after "of no use"
};
/// Adds what is inside of the value at `key`.
void AddUnused(const std::string& key, const std::vector<UnusedKey>& inside,
               std::vector<UnusedKey>* unused);

/// A value that knows how to read and write itself: a chosen part, a list, an optional section.
class ValueField {
 public:
  virtual ~ValueField() = default;
  virtual void Read(const ConfigNode& node, const std::string& path,
                    std::vector<Diagnostic>* diagnostics) = 0;
  /// Canonical YAML: "word" or a block of lines that each end in "\n"; empty leaves the key out.
  virtual std::string Write() const = 0;
  virtual std::string Type() const = 0;  ///< for the reference: "one of adaround | rtn"
  virtual std::vector<UnusedKey> Unused() const { return {}; }  ///< inside of it
};

/// Visits the options of one struct. An options struct lists its fields once, in
/// `void Fields(FieldVisitor& f)`, and that list alone serves to parse a config, to print the
/// effective config, and to print the reference of all options.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void Int(const char* key, std::int64_t* value, Interval allowed, const char* help,
                   Presence presence = Presence::kOptional) = 0;
  virtual void Real(const char* key, double* value, Interval allowed, const char* help,
                    Presence presence = Presence::kOptional) = 0;
  virtual void Bool(const char* key, bool* value, const char* help,
                    Presence presence = Presence::kOptional) = 0;
  /// Any text.
  virtual void String(const char* key, std::string* value, const char* help,
                      Presence presence = Presence::kOptional) = 0;
  virtual void Section(const char* key, const std::function<void(FieldVisitor&)>& fields,
                       const char* help) = 0;
  virtual void Value(const char* key, ValueField& value, const char* help,
                     Presence presence = Presence::kOptional) = 0;
  /// Fields that have a say only where `used`: elsewhere they are read, left out of the canonical
  /// text, and told of as of no use `otherwise` ("without tune_range").
  virtual void UsedIf(bool used, const std::string& otherwise,
                      const std::function<void(FieldVisitor&)>& fields) = 0;
  /// A rule over several fields, asked once all are read: what is wrong, or "".
  virtual void Rule(const std::function<std::string()>& problem) = 0;
};

/// An options struct to be visited, and, where it is known, one with the defaults beside it.
struct FieldsFunction {
  using Visit = std::function<void(FieldVisitor&)>;
  Visit visit;
  Visit visit_defaults;  ///< may be empty

  FieldsFunction(Visit fields, Visit defaults)
      : visit(std::move(fields)), visit_defaults(std::move(defaults)) {}
  /// A list written in place; it has no defaults.
  template <class Fields>
  // NOLINTNEXTLINE(google-explicit-constructor)
  requires std::invocable<Fields&, FieldVisitor&> FieldsFunction(Fields fields)
      : visit(std::move(fields)) {}
};

/// Fills the fields from `node`. Appends to `diagnostics` every wrong type, value out of range,
/// missing required key and unknown key. `path` names the node in messages ("quant").
/// `reserved` keys belong to the caller and are neither read nor unknown.
void ReadFields(const ConfigNode& node, const std::string& path, const FieldsFunction& fields,
                std::vector<Diagnostic>* diagnostics,
                const std::vector<std::string>& reserved = {});

/// Fills the fields from `root`, a mapping or nothing, with assignments ("shots=5") over it. Throws
/// ConfigError.
void ReadAssignments(const std::vector<std::string>& assignments, const FieldsFunction& fields,
                     ConfigNode root = {});

/// The canonical text: in field order, one "key: value" a line, the fields that are required or
/// differ from their default; without defaults all; of UsedIf what is used. It reads back to the
/// same text, also once options with defaults have been added (docs/adr/0016).
std::string WriteFields(const FieldsFunction& fields);

/// Fields that are not as by default and not used, in field order.
std::vector<UnusedKey> UnusedFields(const FieldsFunction& fields);

/// One line a field: "bits  integer in [2, 8], required  bits per weight".
std::string DescribeFields(const FieldsFunction& fields);

/// `text` as a YAML scalar that reads back as the same text: plain where safe, else double-quoted.
std::string QuoteScalar(const std::string& text);

/// `block` with `spaces` in front of each line.
std::string Indent(const std::string& block, int spaces);

/// Defaults are those of a new struct, or, where some hang on others, what Defaults() says.
template <class Options>
FieldsFunction FieldsOf(Options* options) {
  return {[options](FieldVisitor& f) { options->Fields(f); },
          [options](FieldVisitor& f) {
            Options defaults;
            if constexpr (requires { options->Defaults(); }) defaults = options->Defaults();
            defaults.Fields(f);
          }};
}

}  // namespace roundlab
