#include "core/text/data/calibration.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/random.h"

namespace roundlab {
namespace {

using Ids = std::vector<std::int32_t>;

std::string JoinDocuments(const std::vector<std::string>& documents, const std::string& between) {
  std::string text;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (i > 0) text += between;
    text += documents[i];
  }
  return text;
}

void SignRoundRows(const CalibrationOptions& o, const Dataset& data, const Tokenizer& tokenizer,
                   CalibrationTokens* out) {
  std::vector<std::uint64_t> order(data.documents.size());
  std::iota(order.begin(), order.end(), 0);
  if (o.shuffle) {
    order = NumpyPermutation(static_cast<std::uint64_t>(o.seed), data.documents.size());
  }
  const auto length = static_cast<std::size_t>(o.seqlen);
  for (const std::uint64_t index : order) {
    if (out->rows.size() == static_cast<std::size_t>(o.samples)) return;
    ++out->documents_read;
    const std::string& document = data.documents[index];
    if (document.size() + 8 < length) continue;  // a token takes a byte at least
    Ids ids = tokenizer.Encode(document, SpecialTokens::kDefault);
    if (ids.size() < length) continue;
    ids.resize(length);
    const auto same = std::count(ids.begin(), ids.end(), ids.back());
    if (same > o.seqlen / 2) continue;
    out->rows.push_back(std::move(ids));
  }
}

void GptqC4Rows(const CalibrationOptions& o, const Dataset& data, const Tokenizer& tokenizer,
                CalibrationTokens* out) {
  PythonRandom random(static_cast<std::uint64_t>(o.seed));
  const auto most = static_cast<std::int64_t>(data.documents.size()) - 1;
  const std::int64_t patience = 1000 * (o.samples + 10);
  while (out->rows.size() < static_cast<std::size_t>(o.samples)) {
    if (++out->documents_read > patience) return;
    const auto index = static_cast<std::size_t>(random.RandInt(0, most));
    if (static_cast<std::int64_t>(data.documents[index].size()) + 8 <= o.seqlen) continue;
    const Ids ids = tokenizer.Encode(data.documents[index], SpecialTokens::kDefault);
    const auto size = static_cast<std::int64_t>(ids.size());
    // The original keeps one of exactly seqlen tokens too, and stops for want of a start to draw.
    if (size <= o.seqlen) continue;
    const std::int64_t start = random.RandInt(0, size - o.seqlen - 1);
    out->rows.emplace_back(ids.begin() + start, ids.begin() + start + o.seqlen);
  }
}

void GptqWikitextRows(const CalibrationOptions& o, const Dataset& data, const Tokenizer& tokenizer,
                      CalibrationTokens* out) {
  const Ids ids = tokenizer.Encode(JoinDocuments(data.documents, "\n\n"), SpecialTokens::kDefault);
  out->documents_read = static_cast<std::int64_t>(data.documents.size());
  const std::int64_t last = static_cast<std::int64_t>(ids.size()) - o.seqlen - 1;
  if (last < 0) return;
  PythonRandom random(static_cast<std::uint64_t>(o.seed));
  for (std::int64_t i = 0; i < o.samples; ++i) {
    const std::int64_t start = random.RandInt(0, last);
    out->rows.emplace_back(ids.begin() + start, ids.begin() + start + o.seqlen);
  }
}

void PlainRows(const CalibrationOptions& o, const Dataset& data, const Tokenizer& tokenizer,
               CalibrationTokens* out) {
  const Ids ids = TokenStream(data, tokenizer);
  out->documents_read = static_cast<std::int64_t>(data.documents.size());
  const auto length = static_cast<std::size_t>(o.seqlen);
  for (std::size_t at = 0; at + length <= ids.size(); at += length) {
    if (out->rows.size() == static_cast<std::size_t>(o.samples)) return;
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    out->rows.emplace_back(begin, begin + o.seqlen);
  }
}

}  // namespace

const EnumNames<CalibrationProtocol>& CalibrationProtocolNames() {
  static const EnumNames<CalibrationProtocol> kNames = {
      {CalibrationProtocol::kSignRound, "signround"},
      {CalibrationProtocol::kGptqC4, "gptq_c4"},
      {CalibrationProtocol::kGptqWikitext2, "gptq_wikitext2"},
      {CalibrationProtocol::kPlain, "plain"}};
  return kNames;
}

void CalibrationOptions::Fields(FieldVisitor& f) {
  DataField data_field(&data);
  f.Value("data", data_field, "the text", Presence::kRequired);
  EnumField<CalibrationProtocol> protocol_field(&protocol, CalibrationProtocolNames());
  f.Value("protocol", protocol_field, "how samples are taken from it");
  f.Int("samples", &samples, AtLeast(1), "token sequences");
  f.Int("seqlen", &seqlen, AtLeast(2), "tokens a sequence");
  const bool signround = protocol == CalibrationProtocol::kSignRound;
  const bool plain = protocol == CalibrationProtocol::kPlain;
  f.UsedIf(!plain && (!signround || shuffle), plain ? "with protocol: plain" : "without shuffle",
           [this](FieldVisitor& drawn) {
             drawn.Int("seed", &seed, AtLeast(0), "of the protocol's own random numbers");
           });
  f.UsedIf(signround, "without protocol: signround", [this](FieldVisitor& documents) {
    documents.Bool("shuffle", &shuffle, "signround: false takes documents in file order");
  });
}

CalibrationTokens MakeCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer) {
  const Dataset data = LoadDataset(options.data);
  CalibrationTokens tokens;
  switch (options.protocol) {
    case CalibrationProtocol::kSignRound:
      SignRoundRows(options, data, tokenizer, &tokens);
      break;
    case CalibrationProtocol::kGptqC4:
      GptqC4Rows(options, data, tokenizer, &tokens);
      break;
    case CalibrationProtocol::kGptqWikitext2:
      GptqWikitextRows(options, data, tokenizer, &tokens);
      break;
    case CalibrationProtocol::kPlain:
      PlainRows(options, data, tokenizer, &tokens);
      break;
  }
  const auto found = static_cast<std::int64_t>(tokens.rows.size());
  if (found < options.samples) {
    throw Error(data.file + ": calibration asks for " + std::to_string(options.samples) +
                " samples of " + std::to_string(options.seqlen) + " tokens, protocol " +
                EnumName(options.protocol, CalibrationProtocolNames()) + " found " +
                std::to_string(found));
  }
  Ids all;
  for (const Ids& row : tokens.rows) all.insert(all.end(), row.begin(), row.end());
  tokens.fingerprint = TokenFingerprint(all);
  return tokens;
}

std::vector<std::int32_t> TokenStream(const Dataset& dataset, const Tokenizer& tokenizer,
                                      SpecialTokens special) {
  if (!dataset.join_tokens) {
    return tokenizer.Encode(JoinDocuments(dataset.documents, dataset.join), special);
  }
  Ids stream;
  for (const std::string& document : dataset.documents) {
    const Ids ids = tokenizer.Encode(document, special);
    stream.insert(stream.end(), ids.begin(), ids.end());
  }
  return stream;
}

std::string TokenFingerprint(const std::vector<std::int32_t>& ids) {
  Sha256 hash;
  hash.Update(std::as_bytes(std::span<const std::int32_t>(ids)));
  return hash.HexDigest();
}

}  // namespace roundlab
