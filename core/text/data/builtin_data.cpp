#include "core/text/data/builtin_data.h"

#include <charconv>
#include <map>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/text/lab/tasks.h"
#include "core/text/lab/text.h"

namespace roundlab {
namespace {

constexpr std::string_view kScheme = "builtin:";

/// "builtin:NAME@SEED/PART".
struct BuiltinPath {
  std::uint64_t seed = 1;
  std::string part;
};

BuiltinPath Parse(const std::string& path) {
  std::string name = path.substr(kScheme.size());
  BuiltinPath parsed;
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) {
    parsed.part = name.substr(slash + 1);
    name.resize(slash);
  }
  if (const std::size_t at = name.find('@'); at != std::string::npos) {
    const std::string seed = name.substr(at + 1);
    const auto read = std::from_chars(seed.data(), seed.data() + seed.size(), parsed.seed);
    if (read.ec != std::errc() || read.ptr != seed.data() + seed.size()) {
      throw Error(path + ": seed '" + seed + "' is no number from 0 to 18446744073709551615");
    }
    name.resize(at);
  }
  if (name != "lab") {
    throw Error(path + ": unknown built-in data '" + name + "'" + SuggestionSuffix(name, {"lab"}));
  }
  return parsed;
}

/// A split of a world that a path names.
struct Split {
  Split(const std::string& path, std::int64_t most)
      : parsed(Parse(path)), world(parsed.seed), text(world, parsed.part) {
    static const std::map<std::string, std::uint64_t> kCounts = {
        {"train", 20000}, {"calibration", 1000}, {"test", 250}};
    const auto found = kCounts.find(parsed.part);
    if (found == kCounts.end()) {
      throw Error(path + ": unknown split '" + parsed.part + "'" +
                  SuggestionSuffix(parsed.part, {"train", "calibration", "test"}));
    }
    count = most == 0 ? found->second : static_cast<std::uint64_t>(most);
  }
  BuiltinPath parsed;
  LabWorld world;
  LabText text;
  std::uint64_t count = 0;
};

}  // namespace

bool IsBuiltin(std::string_view path) { return path.substr(0, kScheme.size()) == kScheme; }

std::vector<std::string> BuiltinDocuments(const std::string& path, std::int64_t most) {
  const Split split(path, most);
  std::vector<std::string> documents;
  documents.reserve(split.count);
  for (std::uint64_t i = 0; i < split.count; ++i) documents.push_back(split.text.Document(i));
  return documents;
}

double BuiltinNats(const std::string& path, std::int64_t most) {
  const Split split(path, most);
  double nats = 0;
  for (std::uint64_t i = 0; i < split.count; ++i) split.text.Document(i, &nats);
  return nats;
}

std::string BuiltinRows(const std::string& path) {
  const BuiltinPath parsed = Parse(path);
  try {
    return LabTaskRows(LabWorld(parsed.seed), parsed.part);
  } catch (const Error& e) {
    throw Error(path + ": " + e.what());
  }
}

}  // namespace roundlab
