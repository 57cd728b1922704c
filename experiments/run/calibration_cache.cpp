#include "experiments/run/calibration_cache.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/text/data/builtin_data.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

std::string HashOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path + ": cannot open: " + std::strerror(errno));
  Sha256 hash;
  std::string chunk(std::size_t{1} << 20, '\0');
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
    hash.Update(std::string_view(chunk).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  return hash.HexDigest();
}

/// The files that a tokenizer is read from; of a .gguf file all of it.
std::string TokenizerHash(const std::string& model_path) {
  if (!fs::is_directory(model_path)) return HashOfFile(model_path);
  Sha256 hash;
  for (const std::string& name : TokenizerFileNames()) {
    const fs::path file = fs::path(model_path) / name;
    hash.Update(name + (fs::exists(file) ? HashOfFile(file.string()) : "-"));
  }
  return hash.HexDigest();
}

std::string DataHash(const DataSource& data) {
  const DataSource found = ResolveData(data);
  return IsBuiltin(found.path) ? found.path : HashOfFile(found.path);
}

std::string Pack(const CalibrationTokens& tokens) {
  std::string bytes = tokens.fingerprint + "\n" + std::to_string(tokens.documents_read) + "\n";
  for (const auto& row : tokens.rows) {
    bytes.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(row[0]));
  }
  return bytes;
}

/// False where the bytes are not what the fingerprint says.
bool Unpack(const std::string& bytes, std::int64_t seqlen, CalibrationTokens* tokens) {
  const std::size_t first = bytes.find('\n');
  const std::size_t second = bytes.find('\n', first + 1);
  if (second == std::string::npos) return false;
  tokens->fingerprint = bytes.substr(0, first);
  tokens->documents_read = std::stoll(bytes.substr(first + 1, second - first - 1));
  const std::size_t row_bytes = static_cast<std::size_t>(seqlen) * sizeof(std::int32_t);
  std::vector<std::int32_t> all;
  for (std::size_t at = second + 1; at + row_bytes <= bytes.size(); at += row_bytes) {
    auto& row = tokens->rows.emplace_back(static_cast<std::size_t>(seqlen));
    std::memcpy(row.data(), bytes.data() + at, row_bytes);
    all.insert(all.end(), row.begin(), row.end());
  }
  return TokenFingerprint(all) == tokens->fingerprint;
}

}  // namespace

CalibrationTokens CachedCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer,
                                    const std::string& model_path, const ContentCache& cache) {
  CalibrationOptions copy = options;
  const std::string key = "calibration 2\n" + WriteFields(FieldsOf(&copy)) + "\n" +
                          DataHash(options.data) + "\n" + TokenizerHash(model_path);
  CalibrationTokens tokens;
  const auto kept = cache.Find(key);
  if (kept && Unpack(*kept, options.seqlen, &tokens)) return tokens;
  tokens = MakeCalibration(options, tokenizer);
  cache.Keep(key, Pack(tokens));
  return tokens;
}

}  // namespace roundlab
