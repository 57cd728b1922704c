#include "experiments/run/run_file.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/gib.h"
#include "core/base/statistics.h"
#include "core/formats/json.h"
#include "experiments/plan/table_spec.h"
#include "experiments/run/json_number.h"

namespace roundlab {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;  // of run.json and all beside it

json Numbers(const std::map<std::string, double>& values) {
  json object = json::object();
  for (const auto& [name, value] : values) object[name] = NumberToJson(value);
  return object;
}

/// Earlier programs wrote null for what is undefined: that is not there.
std::map<std::string, double> ReadNumbers(const json& root, const char* section,
                                          const std::string& path) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : root.at(section).items()) {
    if (value.is_null()) continue;
    try {
      values[name] = NumberFromJson(value);
    } catch (const Error& e) {
      throw Error(path + ": not a run result: " + section + "." + name + ": " + e.what());
    }
  }
  return values;
}

}  // namespace

std::optional<double> RunResult::Value(const std::string& name) const {
  const std::vector<std::string> several = MetricsOf(name);
  if (several.size() > 1) {
    std::vector<double> values;
    for (const std::string& metric : several) {
      const auto value = Value(metric);
      if (!value) return std::nullopt;
      values.push_back(*value);
    }
    return Mean(values);
  }
  const auto in = [](const std::map<std::string, double>& values,
                     const std::string& key) -> std::optional<double> {
    const auto found = values.find(key);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
  if (name == "cost/seconds") return in(timing, "total");
  if (name == "cost/tune_seconds") return in(timing, "quantize");
  if (name == "cost/peak_gib") {
    auto bytes = in(memory, "peak_device_bytes");
    if (!bytes) bytes = in(memory, "peak_resident_bytes");
    return bytes ? std::optional<double>(*bytes / kGib) : std::nullopt;
  }
  return in(metrics, name);
}

void WriteRunResult(const std::string& path, const RunResult& r) {
  json root = {{"version", kVersion},         {"id", r.id},
               {"status", r.status},          {"config", r.config},
               {"provenance", r.provenance},  {"metrics", Numbers(r.metrics)},
               {"timing", Numbers(r.timing)}, {"memory", Numbers(r.memory)}};
  if (!r.reason.empty()) root["reason"] = r.reason;
  if (!r.codes_sha256.empty()) root["codes_sha256"] = r.codes_sha256;
  WriteFileAtomically(path, root.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

RunResult ReadRunResult(const std::string& path) {
  const json root = ParseJson(ReadFile(path), path);
  try {
    const int version = root.value("version", 1);
    if (version != kVersion) {
      throw Error(path + ": of version " + std::to_string(version) +
                  ", this program reads version " + std::to_string(kVersion));
    }
    RunResult r;
    r.id = root.at("id").get<std::string>();
    r.status = root.at("status").get<std::string>();
    r.reason = root.value("reason", "");
    r.config = root.at("config").get<std::string>();
    r.provenance = root.at("provenance").get<Provenance>();
    r.metrics = ReadNumbers(root, "metrics", path);
    r.timing = ReadNumbers(root, "timing", path);
    r.memory = ReadNumbers(root, "memory", path);
    r.codes_sha256 = root.value("codes_sha256", "");
    return r;
  } catch (const json::exception& e) {
    throw Error(path + ": not a run result: " + e.what());
  }
}

}  // namespace roundlab
