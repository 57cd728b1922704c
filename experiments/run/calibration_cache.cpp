#include "experiments/run/calibration_cache.h"

#include <cstring>
#include <filesystem>

#include "core/base/hash.h"
#include "core/text/data/builtin_data.h"
#include "core/text/data/catalogue.h"
#include "core/text/tokenizer/load_tokenizer.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// All that documents depend on: the file and, of a data set, how the catalogue has it read.
std::string DataKey(const DataSource& data) {
  const DataSource found = ResolveData(data);
  std::string key = (IsBuiltin(found.path) ? found.path : Sha256OfFile(found.path)) + "\n" +
                    EnumName(FormatOf(found), DataFormatNames()) + "\n" + found.field;
  if (data.name.empty()) return key;
  const DataEntry& entry = FindData(data.name);
  return key + "\n" + entry.join + "\n" + (entry.join_tokens ? "tokens" : "text");
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

std::string ModelFilesSha256(const std::string& model_path) {
  if (!fs::is_directory(model_path)) return Sha256OfFile(model_path);
  Sha256 hash;
  for (const std::string& name : TokenizerFileNames()) {
    const fs::path file = fs::path(model_path) / name;
    hash.Update(name + (fs::exists(file) ? Sha256OfFile(file.string()) : "-"));
  }
  return hash.HexDigest();
}

CalibrationTokens CachedCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer,
                                    const std::string& files_sha256, const ContentCache& cache) {
  CalibrationOptions copy = options;
  const std::string key = "calibration 3\n" + WriteFields(FieldsOf(&copy)) + "\n" +
                          DataKey(options.data) + "\n" + files_sha256;
  CalibrationTokens tokens;
  const auto kept = cache.Find(key);
  if (kept && Unpack(*kept, options.seqlen, &tokens)) return tokens;
  tokens = MakeCalibration(options, tokenizer);
  cache.Keep(key, Pack(tokens));
  return tokens;
}

}  // namespace roundlab
