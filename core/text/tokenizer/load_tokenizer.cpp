#include "core/text/tokenizer/load_tokenizer.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {

std::unique_ptr<Tokenizer> LoadTokenizer(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(path + ": cannot open: No such file or directory");
  if (!fs::is_directory(path)) {
    if (fs::path(path).extension() == ".gguf") return LoadGgufTokenizer(path);
    throw Error(path + ": not a tokenizer: expected a folder or a .gguf file");
  }
  const auto has = [&](const char* name) { return fs::exists(fs::path(path) / name); };
  if (has("tokenizer.json")) return LoadTokenizerJson(path);
  if (has("tokenizer.model")) return LoadTokenizerModel(path);
  if (has("vocab.json") && has("merges.txt")) return LoadVocabMerges(path);
  if (has("tekken.json")) return LoadTekken(path);
  throw Error(path +
              ": no tokenizer: expected tokenizer.json, tokenizer.model, vocab.json with "
              "merges.txt, or tekken.json");
}

std::vector<std::string> TokenizerFileNames() {
  return {"tokenizer.json",
          "tokenizer.model",
          "vocab.json",
          "merges.txt",
          "tekken.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "config.json"};
}

}  // namespace roundlab
