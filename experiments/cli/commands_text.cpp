#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/json.h"
#include "core/model/catalogue.h"
#include "core/model/model.h"
#include "core/model/sample.h"
#include "core/text/data/dataset.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "experiments/cli/commands.h"
#include "experiments/run/open_model.h"

namespace roundlab {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

std::string RequireModel(const CommandLine& line) {
  if (line.model.empty()) throw Error("usage: roundlab " + line.usage);
  return line.model;
}

Ids ReadSequence(const json& row, const std::string& where) {
  if (!row.is_array()) throw Error(where + ": expected an array of token ids");
  Ids ids;
  for (const json& id : row) {
    if (!id.is_number_integer() || id > std::numeric_limits<std::int32_t>::max() ||
        id < std::numeric_limits<std::int32_t>::min()) {
      throw Error(where + ": " + id.dump() + " is no token id");
    }
    ids.push_back(id.get<std::int32_t>());
  }
  if (ids.empty()) throw Error(where + ": an empty sequence");
  return ids;
}

std::vector<Ids> ReadIds(const std::string& file) {
  const json root = ParseJson(ReadFile(file), file);
  if (!root.is_array()) throw Error(file + ": expected an array of arrays of token ids");
  std::vector<Ids> sequences;
  for (std::size_t i = 0; i < root.size(); ++i) {
    sequences.push_back(ReadSequence(root[i], file + ": sequence " + std::to_string(i)));
  }
  if (sequences.empty()) throw Error(file + ": no sequence in this file");
  return sequences;
}

/// nll of each token after the first, given those before it.
std::vector<float> Score(const LanguageModel& model, const Ids& ids) {
  const std::int64_t most = model.description().max_positions;
  if (static_cast<std::int64_t>(ids.size()) > most) {
    throw Error("a sequence of " + std::to_string(ids.size()) +
                " tokens is longer than the model's context of " + std::to_string(most));
  }
  const at::Tensor tokens =
      at::tensor(at::ArrayRef<std::int32_t>(ids), at::kInt).to(at::kLong).unsqueeze(0);
  if (ids.size() == 1) {
    model.Hidden(tokens);  // for its check of the id
    return {};
  }
  const at::Tensor nll = model.Nll(tokens).cpu().contiguous();
  if (!std::isfinite(nll.sum().item<double>())) throw Error("the nll of a token is not finite");
  const float* values = nll.const_data_ptr<float>();
  return {values, values + nll.numel()};
}

void PrintScores(const Ids& ids, const std::vector<float>& nll) {
  double sum = 0;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (t == 0) {
      std::printf("%d\t-\n", ids[0]);
      continue;
    }
    std::printf("%d\t%.6f\n", ids[t], static_cast<double>(nll[t - 1]));
    sum += static_cast<double>(nll[t - 1]);
  }
  std::printf("sum\t%.6f\n", sum);
}

}  // namespace

int ScoreCommand(const CommandLine& line) {
  RequireArguments(line, 0);
  const OpenedModel opened = OpenModel(RequireModel(line));
  if (line.text.has_value() == !line.ids.empty()) {
    throw Error("score: give either --text or --ids");
  }
  std::vector<Ids> sequences;
  if (line.ids.empty()) {
    const auto tokenizer = LoadTokenizer(opened.tokenizer);
    sequences.push_back(tokenizer->Encode(*line.text, SpecialTokens::kDefault));
    if (sequences.front().empty()) throw Error("score: the text has no tokens");
  } else {
    sequences = ReadIds(line.ids);
  }
  const LanguageModel model(*opened.model, at::kFloat);
  json scored = json::array();
  for (const Ids& ids : sequences) {
    const std::vector<float> nll = Score(model, ids);
    if (!line.json) {
      PrintScores(ids, nll);
      continue;
    }
    json values = json::array({nullptr});
    for (const float value : nll) values.push_back(value);
    scored.push_back({{"ids", ids}, {"nll", std::move(values)}});
  }
  if (line.json) std::printf("%s\n", json({{"sequences", scored}}).dump().c_str());
  return 0;
}

int SampleCommand(const CommandLine& line) {
  RequireArguments(line, 0);
  const OpenedModel opened = OpenModel(RequireModel(line));
  const auto tokenizer = LoadTokenizer(opened.tokenizer);
  const LanguageModel model(*opened.model, at::kFloat);
  SampleOptions options;
  options.tokens = line.tokens;
  options.seed = static_cast<std::uint64_t>(line.seed);
  if (line.documents < 1) {
    throw Error("--documents: expected a number from 1, got " + std::to_string(line.documents));
  }
  if (line.seed < 0) {
    throw Error("--seed: expected a number from 0, got " + std::to_string(line.seed));
  }
  constexpr std::int64_t kAtATime = 16;
  for (std::int64_t first = 0; first < line.documents; first += kAtATime) {
    options.first = first;
    options.documents = std::min(kAtATime, line.documents - first);
    const at::Tensor ids = SampleTokens(model, options).to(at::kInt);
    for (std::int64_t i = 0; i < ids.size(0); ++i) {
      const std::int32_t* row = ids[i].const_data_ptr<std::int32_t>();
      const std::string text = tokenizer->Decode({row, row + ids.size(1)});
      std::printf(
          "%s\n",
          json({{"text", text}}).dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    }
  }
  return 0;
}

int TokenizeCommand(const CommandLine& line) {
  RequireArguments(line, 0);
  RequireModel(line);
  if (line.text.has_value() == !line.file.empty()) {
    throw Error("tokenize: give either --text or --file");
  }
  const std::string text = line.text ? *line.text : ReadUtf8(line.file);
  const Ids ids =
      LoadTokenizer(TokenizerOf(line.model))
          ->Encode(text, line.no_special ? SpecialTokens::kNone : SpecialTokens::kDefault);
  if (line.json) {
    std::printf("%s\n", json({{"ids", ids}}).dump().c_str());
    return 0;
  }
  for (std::size_t i = 0; i < ids.size(); ++i) std::printf(i == 0 ? "%d" : " %d", ids[i]);
  std::printf("\n");
  return 0;
}

}  // namespace roundlab
