#include "experiments/tables/run_arrays.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/base/error.h"
#include "core/metrics/hdf5_file.h"

namespace roundlab {

RunArrays::RunArrays(const std::string& folder) : file_(folder + "/run.h5") {
  if (!std::filesystem::is_directory(folder)) throw Error(folder + ": no such folder");
  const std::string summary = folder + "/run.json";
  if (!std::filesystem::exists(summary)) {
    throw Error(folder + ": has no run.json: not a run's folder, or the run is not complete");
  }
  result_ = ReadRunResult(summary);
  if (result_.status != "complete") {
    throw Error(summary + ": the status of this run is '" + result_.status +
                "', only a 'complete' one can be compared");
  }
  const std::string top = "eval/";
  for (const std::string& path : DatasetNames(file_)) {
    const std::size_t slash = path.rfind('/');
    if (path.compare(0, top.size(), top) != 0 || slash <= top.size()) continue;
    arrays_[path.substr(top.size(), slash - top.size())].insert(path.substr(slash + 1));
  }
}

std::set<std::string> RunArrays::Names() const {
  std::set<std::string> names;
  for (const auto& [name, arrays] : arrays_) names.insert(name);
  return names;
}

bool RunArrays::Has(const std::string& name, const std::string& array) const {
  const auto found = arrays_.find(name);
  return found != arrays_.end() && found->second.count(array) != 0;
}

RunArrays::Figures RunArrays::Read(const std::string& name, const std::string& array) const {
  return ReadArray(file_, "eval/" + name + "/" + array).values;
}

RunArrays::Figures RunArrays::Units(const std::string& name, const std::string& units,
                                    std::size_t texts) const {
  if (!Has(name, units)) throw Error(file_ + ": eval/" + name + " has nll but no " + units);
  Figures counts = Read(name, units);
  if (counts.size() != texts) {
    throw Error(file_ + ": eval/" + name + " has " + std::to_string(texts) + " nll but " +
                std::to_string(counts.size()) + " " + units);
  }
  return counts;
}

RunArrays::Figures RunArrays::SumsByWindow(const std::string& name, const std::string& array,
                                           const Figures& tokens) const {
  const Figures values = Read(name, array);
  const double all = std::accumulate(tokens.begin(), tokens.end(), 0.0);
  if (static_cast<double>(values.size()) != all) {
    throw Error(file_ + ": eval/" + name + " has " + std::to_string(values.size()) + " " + array +
                " but " + std::to_string(static_cast<std::int64_t>(all)) + " tokens");
  }
  Figures sums;
  auto at = values.begin();
  for (const double count : tokens) {
    const auto end = at + static_cast<std::ptrdiff_t>(count);
    sums.push_back(std::accumulate(at, end, 0.0));
    at = end;
  }
  return sums;
}

RunArrays::Figures RunArrays::Marks(const std::string& name, const std::string& array) const {
  Figures values = Read(name, array);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0 || values[i] == 1 || std::isnan(values[i])) continue;
    throw Error(file_ + ": eval/" + name + "/" + array + "[" + std::to_string(i) + "] is " +
                std::to_string(values[i]) + ", not 0 or 1");
  }
  return values;
}

RunArrays::Figures RunArrays::Costs(const std::string& name) const {
  if (!Has(name, "choice_loglik") || !Has(name, "prediction")) return {};
  Figures costs = Read(name, "choice_loglik");
  if (costs.size() != Read(name, "prediction").size()) return {};
  for (double& value : costs) value = -value;
  return costs;
}

RunArrays::Figures RunArrays::NotFinite(const std::string& name, std::size_t documents) const {
  Figures bad(documents);
  if (Has(name, "not_finite")) bad = Read(name, "not_finite");
  if (Has(name, "choice_loglik") && Has(name, "prediction")) {
    const Figures loglik = Read(name, "choice_loglik");
    const Figures prediction = Read(name, "prediction");
    const std::size_t width = loglik.size() / std::max<std::size_t>(1, prediction.size());
    for (std::size_t i = 0; i < std::min(documents, prediction.size()) && width > 0; ++i) {
      const double first = loglik[i * width];
      if (!std::isfinite(first) && !std::isnan(prediction[i])) bad.at(i) = 1;
    }
  }
  bad.resize(documents);
  return bad;
}

}  // namespace roundlab
