#include "eval/original_states.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"

namespace roundlab {
namespace {

const at::Tensor& Tokens(const ScorerInput& input) { return std::get<at::Tensor>(input); }

std::string_view BytesOf(const at::Tensor& whole) {
  return {static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()};
}

std::string Pack(const std::vector<ScorerStates>& states) {
  std::string bytes;
  for (const ScorerStates& of : states) bytes += BytesOf(of.hidden.contiguous());
  return bytes;
}

}  // namespace

OriginalStates::OriginalStates(const EvalContext& context, std::vector<ScorerInput> inputs)
    : context_(context),
      inputs_(std::move(inputs)),
      portions_(Portions()),
      held_(portions_.size()) {
  if (context_.cache != nullptr) KeepMissing();
}

const ScorerStates& OriginalStates::Of(std::size_t i) {
  const auto after = std::upper_bound(
      portions_.begin(), portions_.end(), i,
      [](std::size_t input, const Portion& portion) { return input < portion.end; });
  const auto portion = static_cast<std::size_t>(after - portions_.begin());
  if (portion != held_) {
    states_.clear();
    auto kept = Kept(*after);
    if (kept) {
      states_ = std::move(*kept);
    } else {
      Make({*after}, [this](States made) { states_ = std::move(made); });
    }
    held_ = portion;
  }
  return states_[i - after->begin];
}

std::vector<OriginalStates::Portion> OriginalStates::Portions() const {
  std::vector<Portion> portions;
  if (inputs_.empty()) return portions;
  const std::int64_t bytes =
      Tokens(inputs_.front()).numel() * Width() * static_cast<std::int64_t>(sizeof(float));
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, kPortionBytes / bytes));
  for (std::size_t begin = 0; begin < inputs_.size(); begin += most) {
    portions.push_back({begin, std::min(begin + most, inputs_.size())});
  }
  return portions;
}

void OriginalStates::KeepMissing() const {
  std::vector<Portion> missing;
  for (const Portion& portion : portions_) {
    if (!context_.cache->Has(Key(portion))) missing.push_back(portion);
  }
  if (!missing.empty()) Make(missing, [](const States& /*made*/) {});
}

void OriginalStates::Make(const std::vector<Portion>& portions,
                          const std::function<void(States)>& use) const {
  std::vector<ScorerInput> inputs;
  for (const Portion& portion : portions) {
    for (std::size_t i = portion.begin; i < portion.end; ++i) inputs.push_back(inputs_[i]);
  }
  auto portion = portions.begin();
  States states;
  context_.original->Run(inputs, [&](std::size_t /*i*/, const ScorerStates& of) {
    states.push_back({of.hidden.cpu(), of.not_finite});
    if (states.size() < portion->size()) return;
    const bool finite = std::all_of(states.begin(), states.end(), [](const ScorerStates& made) {
      return made.not_finite.empty();
    });
    if (context_.cache != nullptr && finite) context_.cache->Keep(Key(*portion), Pack(states));
    use(std::move(states));
    states.clear();
    ++portion;
  });
}

std::string OriginalStates::Key(const Portion& portion) const {
  std::string key = "states 2\n" + context_.original_key + "\n";
  for (std::size_t i = portion.begin; i < portion.end; ++i) {
    const at::Tensor tokens = Tokens(inputs_[i]).contiguous();
    key += std::to_string(tokens.size(0)) + " " + Sha256Hex(BytesOf(tokens)) + "\n";
  }
  return key;
}

std::optional<OriginalStates::States> OriginalStates::Kept(const Portion& portion) const {
  if (context_.cache == nullptr) return std::nullopt;
  const auto bytes = context_.cache->Find(Key(portion));
  if (!bytes) return std::nullopt;
  States states;
  std::size_t at = 0;
  for (std::size_t i = portion.begin; i < portion.end; ++i) {
    const at::Tensor& tokens = Tokens(inputs_[i]);
    at::Tensor hidden = at::empty({tokens.size(0), tokens.size(1), Width()}, at::kFloat);
    ROUNDLAB_CHECK(at + hidden.nbytes() <= bytes->size(), "the key tells the size");
    std::memcpy(hidden.mutable_data_ptr(), bytes->data() + at, hidden.nbytes());
    at += hidden.nbytes();
    states.push_back({std::move(hidden), ""});
  }
  return states;
}

std::int64_t OriginalStates::Width() const { return context_.original->head().weight.size(1); }

}  // namespace roundlab
