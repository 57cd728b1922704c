#include "eval/protocol.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/base/error.h"
#include "core/config/optional_field.h"
#include "core/text/data/calibration.h"
#include "eval/harness.h"
#include "eval/metric_name.h"
#include "eval/wikitext.h"

namespace roundlab {
namespace {

using Ids = std::vector<std::int32_t>;

/// What there is to cut.
struct Job {
  const ProtocolOptions& options;
  const Tokenizer& tokenizer;
  Dataset data;
  std::int64_t seqlen;
};

struct Protocol {
  ProtocolKind kind;
  std::int64_t seqlen;  ///< by default; 0: the model's context
  std::function<CutText(Job*)> cut;
  std::string rule;
};

std::string Number(std::size_t value) { return std::to_string(value); }

bool AddsBos(const Tokenizer& tokenizer) {
  const Ids nothing = tokenizer.Encode("", SpecialTokens::kDefault);
  return tokenizer.BosId() && !nothing.empty() && nothing.front() == *tokenizer.BosId();
}

std::string BosOfStream(const Job& job) {
  if (!AddsBos(job.tokenizer)) return "none";
  return job.data.join_tokens ? "in front of each document" : "once, in front of the text";
}

[[noreturn]] void ThrowTooShort(const Job& job, std::size_t tokens, const std::string& needed) {
  throw Error(job.data.file + ": has " + Number(tokens) + " tokens, " + needed);
}

CutText CutGptq(Job* job) {
  CutText cut;
  cut.windows = DisjointWindows(TokenStream(job->data, job->tokenizer), job->seqlen);
  if (cut.windows.list.empty()) {
    ThrowTooShort(*job, cut.windows.ids.size(),
                  "fewer than one window of " + std::to_string(job->seqlen));
  }
  cut.told["bos"] = BosOfStream(*job);
  return cut;
}

CutText CutGptqC4(Job* job) {
  CalibrationOptions draws;
  draws.data = job->options.data;
  draws.protocol = CalibrationProtocol::kGptqC4;
  draws.samples = job->options.windows == 0 ? 256 : job->options.windows;
  draws.seqlen = job->seqlen;
  draws.seed = 0;
  Ids ids;
  for (const Ids& row : MakeCalibration(draws, job->tokenizer).rows) {
    ids.insert(ids.end(), row.begin(), row.end());
  }
  CutText cut;
  cut.windows = DisjointWindows(std::move(ids), job->seqlen);
  cut.told["bos"] = AddsBos(job->tokenizer) ? "where a window starts a document" : "none";
  return cut;
}

CutText CutSliding(Job* job) {
  const std::int64_t stride =
      job->options.stride.value_or(std::max<std::int64_t>(1, job->seqlen / 2));
  CutText cut;
  cut.windows = SlidingWindows(TokenStream(job->data, job->tokenizer), job->seqlen, stride);
  if (cut.windows.list.empty()) {
    ThrowTooShort(*job, cut.windows.ids.size(), "and the first one is not scored");
  }
  cut.told["bos"] = BosOfStream(*job);
  cut.told["settings"] = ", stride " + std::to_string(stride);
  return cut;
}

CutText CutLlamaCpp(Job* job) {
  if (job->options.join.kind == DocumentJoin::Kind::kOfData &&
      job->data.format == DataFormat::kWikitext) {
    job->data.documents = {WikitextFile(job->data.documents)};
  }
  std::string& last = job->data.documents.back();
  if (!last.empty() && last.back() == '\n') last.pop_back();
  const bool adds_bos = AddsBos(job->tokenizer);
  CutText cut;
  const Ids ids = TokenStream(job->data, job->tokenizer, SpecialTokens::kUnread);
  cut.windows =
      SecondHalfWindows(ids, job->seqlen, adds_bos ? job->tokenizer.BosId() : std::nullopt);
  if (cut.windows.list.size() < 2) {
    ThrowTooShort(*job, cut.windows.ids.size(),
                  "fewer than two windows of " + std::to_string(job->seqlen));
  }
  cut.told["bos"] = adds_bos ? "in place of each window's first token" : "none";
  return cut;
}

CutText CutRolling(Job* job) {
  const bool wikitext = job->data.format == DataFormat::kWikitext;
  const bool detokenize =
      job->options.detokenize.value_or(wikitext ? Detokenize::kWikitext : Detokenize::kNone) ==
      Detokenize::kWikitext;
  const bool today = job->options.version.value_or(Harness::kLmEval04) == Harness::kLmEval04;
  const auto bos = today ? job->tokenizer.BosId() : std::nullopt;
  const auto prefix = bos ? bos : job->tokenizer.EosId();
  if (!prefix) {
    throw Error("eval " + job->options.Name() +
                ": protocol lmeval_rolling starts a document with " +
                (today ? "BOS or EOS" : "EOS") + ", and the tokenizer (" + job->tokenizer.Kind() +
                ") has none");
  }
  std::vector<std::string>& documents = job->data.documents;
  if (wikitext || detokenize) documents = WikitextPages(WikitextFile(documents));
  const auto most = static_cast<std::size_t>(job->options.documents);
  if (most != 0 && documents.size() > most) documents.resize(most);
  CutText cut;
  std::vector<Ids> ids;
  for (const std::string& document : documents) {
    cut.words.push_back(static_cast<double>(CountWords(document)));
    cut.bytes.push_back(static_cast<double>(document.size()));
    const std::string text = detokenize ? DetokenizeWikitext(document) : document;
    const Harness version = today ? Harness::kLmEval04 : Harness::kLmEval03;
    ids.push_back(job->tokenizer.Encode(text, SpecialFor(job->tokenizer, version, text)));
  }
  cut.windows = RollingWindows(ids, *prefix, job->seqlen);
  if (cut.windows.list.empty()) ThrowTooShort(*job, 0, "nothing to score");
  cut.told["bos"] = bos ? "BOS before each document" : "EOS before each document";
  if (today && AddsBos(job->tokenizer)) cut.told["bos"] += ", then the text's own BOS, scored";
  cut.told["settings"] = today ? ", version 0.4" : ", version 0.3";
  if (detokenize) cut.told["settings"] += ", detokenized";
  return cut;
}

const std::vector<Protocol>& Protocols() {
  static const std::vector<Protocol> kProtocols = {
      {ProtocolKind::kGptq, 2048, CutGptq,
       "windows do not overlap: a token near a window's start sees little before it"},
      {ProtocolKind::kGptqC4, 2048, CutGptqC4,
       "windows are drawn at random, each from one long document"},
      {ProtocolKind::kSliding, 2048, CutSliding,
       "where windows overlap (stride below seqlen) every token behind the first sees much before "
       "it"},
      {ProtocolKind::kLlamaCpp, 512, CutLlamaCpp,
       "only the second half of each window counts, so that every token sees half a window"},
      {ProtocolKind::kLmEvalRolling, 0, CutRolling,
       "documents are scored one by one, all tokens; quoted a word or a byte, not a token"}};
  return kProtocols;
}

const Protocol& FindProtocol(ProtocolKind kind) {
  for (const Protocol& known : Protocols()) {
    if (known.kind == kind) return known;
  }
  ROUNDLAB_CHECK(false, "no protocol " + EnumName(kind, ProtocolNames()));
}

/// `default`, `tokens`, or a text.
class JoinField : public ValueField {
 public:
  explicit JoinField(DocumentJoin* join) : join_(join) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind != ConfigNode::Kind::kScalar) {
      diagnostics->push_back({node.where, path + ": expected a text, got " + node.KindName()});
      return;
    }
    *join_ = node.scalar == "default"  ? DocumentJoin{DocumentJoin::Kind::kOfData}
             : node.scalar == "tokens" ? DocumentJoin{DocumentJoin::Kind::kTokens}
                                       : DocumentJoin{DocumentJoin::Kind::kText, node.scalar};
  }
  std::string Write() const override {
    if (join_->kind == DocumentJoin::Kind::kText) return QuoteScalar(join_->text);
    return join_->kind == DocumentJoin::Kind::kTokens ? "tokens" : "default";
  }
  std::string Type() const override { return "text"; }

 private:
  DocumentJoin* join_;
};

const EnumNames<Harness> kVersions = {{Harness::kLmEval03, "0.3"}, {Harness::kLmEval04, "0.4"}};
const EnumNames<Detokenize> kDetokenize = {{Detokenize::kWikitext, "wikitext"},
                                           {Detokenize::kNone, "none"}};

/// What is wrong with options that are each good, or "".
std::string Contradiction(const ProtocolOptions& o) {
  const bool rolling = o.protocol == ProtocolKind::kLmEvalRolling;
  const bool joined = o.join.kind != DocumentJoin::Kind::kOfData;
  const std::int64_t seqlen = o.seqlen.value_or(FindProtocol(o.protocol).seqlen);
  if (o.stride && o.protocol != ProtocolKind::kSliding) return "stride goes with protocol sliding";
  if (o.stride && *o.stride > seqlen) {
    return "stride " + std::to_string(*o.stride) + " leaves out tokens between windows of " +
           std::to_string(seqlen);
  }
  if ((o.version || o.detokenize) && !rolling) {
    return "version and detokenize go with protocol lmeval_rolling";
  }
  if (rolling && (o.windows != 0 || joined)) {
    return "protocol lmeval_rolling takes documents whole and one by one: limit them by "
           "'documents'; neither 'windows' nor 'join' goes with it";
  }
  if (o.protocol == ProtocolKind::kGptqC4 && (o.documents != 0 || joined)) {
    return "protocol gptq_c4 draws from single documents of all: neither 'documents' nor 'join' "
           "goes with it";
  }
  if (o.protocol == ProtocolKind::kLlamaCpp && seqlen < 3)
    return "protocol llama_cpp needs a seqlen of 3";
  return "";
}

Dataset ReadText(const ProtocolOptions& o) {
  // Rows of WikiText are not yet its pages: those are counted once they are put together.
  Dataset data = LoadDataset(o.data, o.protocol == ProtocolKind::kLmEvalRolling ? 0 : o.documents);
  if (o.join.kind == DocumentJoin::Kind::kTokens) data.join_tokens = true;
  if (o.join.kind == DocumentJoin::Kind::kText) {
    data.join_tokens = false;
    data.join = o.join.text;
  }
  return data;
}

/// Of metrics that have no name of their own.
std::string Suffix(ProtocolKind protocol) {
  return protocol == ProtocolKind::kGptq ? "" : "_" + EnumName(protocol, ProtocolNames());
}

}  // namespace

const EnumNames<ProtocolKind>& ProtocolNames() {
  static const EnumNames<ProtocolKind> kNames = {{ProtocolKind::kGptq, "gptq"},
                                                 {ProtocolKind::kGptqC4, "gptq_c4"},
                                                 {ProtocolKind::kSliding, "sliding"},
                                                 {ProtocolKind::kLlamaCpp, "llama_cpp"},
                                                 {ProtocolKind::kLmEvalRolling, "lmeval_rolling"}};
  return kNames;
}

void ProtocolOptions::Fields(FieldVisitor& f) {
  DataField data_field(&data);
  f.Value("data", data_field, "the text", Presence::kRequired);
  f.String("name", &name,
           "name of the metrics; by default that of the data and, but for gptq, the protocol's");
  EnumField protocol_field(&protocol, ProtocolNames());
  f.Value("protocol", protocol_field, "how the text is cut, scored and averaged");
  OptionalInt seqlen_field(&seqlen, AtLeast(2));
  f.Value("seqlen", seqlen_field,
          "tokens a window; none: 2048, llama_cpp 512, lmeval_rolling the model's context");
  OptionalInt stride_field(&stride, AtLeast(1));
  f.Value("stride", stride_field, "sliding: tokens between starts of windows; none: half a window");
  f.Int("windows", &windows, AtLeast(0), "at most the first so many windows; 0 all");
  f.Int("documents", &documents, AtLeast(0), "at most the first so many documents; 0 all");
  JoinField join_field(&join);
  f.Value("join", join_field,
          "text between documents; 'default' as the data set says; 'tokens' encodes each document "
          "by itself, with its own BOS, and concatenates the ids");
  OptionalEnum version_field(&version, kVersions);
  f.Value("version", version_field, "lmeval_rolling: of lm-evaluation-harness; none: 0.4");
  OptionalEnum detokenize_field(&detokenize, kDetokenize);
  f.Value(
      "detokenize", detokenize_field,
      "lmeval_rolling: wikitext takes rows for WikiText's lines, cuts its pages at their headings "
      "and undoes its spaces around marks; none given: by the data's format");
  f.Rule([this] { return Contradiction(*this); });
  f.Rule([this] {  // no rule, but what the others leave open
    if (name.empty()) name = NameOfFile(data, Suffix(protocol));
    return std::string();
  });
}

std::string ProtocolOptions::Name() const {
  return name.empty() ? data.Label() + Suffix(protocol) : name;
}

CutText Cut(const ProtocolOptions& o, const ModelDescription& model, const Tokenizer& tokenizer) {
  const Protocol& protocol = FindProtocol(o.protocol);
  const std::int64_t seqlen =
      o.seqlen.value_or(protocol.seqlen == 0 ? model.max_positions : protocol.seqlen);
  if (seqlen > model.max_positions) {
    throw Error("eval " + o.Name() + ": seqlen " + std::to_string(seqlen) +
                " is longer than the model's context of " + std::to_string(model.max_positions));
  }
  Job job{o, tokenizer, ReadText(o), seqlen};
  CutText cut = protocol.cut(&job);
  std::vector<TokenWindow>& windows = cut.windows.list;
  cut.available = static_cast<std::int64_t>(windows.size());
  if (o.windows != 0 && o.windows < cut.available) {
    windows.resize(static_cast<std::size_t>(o.windows));
  }
  cut.told["protocol"] = EnumName(protocol.kind, ProtocolNames());
  cut.told["settings"] = "seqlen " + std::to_string(seqlen) + cut.told["settings"];
  cut.told["rule"] = protocol.rule;
  cut.told["data"] = o.data.Label() + (o.data.split.empty() ? "" : " " + o.data.split);
  return cut;
}

void CheckCut(const ProtocolOptions& options, const ModelDescription* model,
              const Tokenizer* tokenizer) {
  if (model == nullptr || tokenizer == nullptr) {
    ReadText(options);
  } else {
    Cut(options, *model, *tokenizer);
  }
}

}  // namespace roundlab
