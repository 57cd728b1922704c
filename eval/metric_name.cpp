#include "eval/metric_name.h"

#include <algorithm>
#include <filesystem>

#include "core/text/data/gzip_file.h"

namespace roundlab {

std::string NameProblem(const std::string& name) {
  constexpr std::size_t kLongest = 200;
  const bool control =
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 32; });
  if (name.empty() || name.size() > kLongest || control) {
    return "name '" + name.substr(0, kLongest) +
           "' must have 1 to 200 bytes and no control character: give it another";
  }
  for (std::size_t begin = 0; begin <= name.size();) {  // groups of run.h5
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return "name '" + name + "' has a part between '/' that is no name: give it another";
    }
    begin = end + 1;
  }
  return "";
}

std::string NameOfFile(const DataSource& data, const std::string& suffix) {
  if (data.path.empty() || NameProblem(data.Label() + suffix).empty()) return "";
  std::filesystem::path file = std::filesystem::path(data.path).filename();
  if (HasGzipName(data.path)) file = file.stem();
  const std::string name = file.stem().string() + suffix;
  return NameProblem(name).empty() ? name : "";
}

}  // namespace roundlab
