#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/part_field.h"
#include "core/config/value_fields.h"
#include "rounding/stages/round.h"

// The options of a round stage, beside what it does (round.cpp).

namespace roundlab {
namespace {

/// Why a stage of these options can't begin from its start, or "".
std::string StartProblem(const RoundOptions& options) {
  if (!options.start || !options.start->scheme.make || !options.scheme.make) return "";
  const auto scheme = options.scheme.make();
  if (!scheme->Traits().needs.start) {
    const auto known = SchemesThat([](const RoundingScheme& s) { return s.Traits().needs.start; });
    return "start: scheme '" + options.scheme.type + "' can't begin from other codes" +
           SuggestionSuffix(options.scheme.type, known);
  }
  const bool both = scheme->Traits().tunable && options.start->scheme.make()->Traits().tunable;
  if (both && options.tune.unit_blocks != options.start->tune.unit_blocks) {
    return "start.unit must be the stage's own unit";
  }
  return "";
}

TuneOptions TuningOf(const RoundingRecipe& scheme) {
  TuneOptions tune;
  const std::string text = scheme.make ? scheme.make()->Traits().tuning : "";
  if (text.empty()) return tune;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(text, "builtin"), scheme.type, FieldsOf(&tune), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return tune;
}

/// Comes before the options of tuning: their defaults are the scheme's.
class SchemeField : public PartField<RoundingScheme> {
 public:
  explicit SchemeField(SchemeOptions* options)
      : PartField(&options->scheme, RoundingSchemes()), options_(options) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    PartField::Read(node, path, diagnostics);
    options_->tune = TuningOf(options_->scheme);
  }

 private:
  SchemeOptions* options_;
};

}  // namespace

SchemeOptions SchemeOptions::Defaults() const { return {{}, TuningOf(scheme), {}}; }

RoundOptions RoundOptions::Defaults() const { return {SchemeOptions::Defaults(), {}}; }

void RoundOptions::Fields(FieldVisitor& f) {
  SchemeOptions::Fields(f);
  OptionalSection<SchemeOptions> start_field(&start);
  f.Value(
      "start", start_field,
      "a scheme, and its tuning, whose codes and scales are begun from (tesseraq: scales and zero "
      "points)");
  f.Rule([this] { return StartProblem(*this); });
}

void SchemeOptions::Fields(FieldVisitor& f) {
  SchemeField scheme_field(this);
  f.Value("scheme", scheme_field, "how codes are chosen", Presence::kRequired);
  const bool tuned = !scheme.make || scheme.make()->Traits().tunable;
  f.UsedIf(tuned, "to scheme '" + scheme.type + "'", [this](FieldVisitor& tuning) {
    tune.Fields(tuning);
    OptionalSection<OscillationOptions> oscillation_field(&oscillation);
    tuning.Value("oscillation", oscillation_field,
                 "what is done about codes that go up and down while a straight-through scheme is "
                 "tuned; nothing where absent");
  });
  f.Rule([this]() -> std::string {
    if (!oscillation || !scheme.make) return "";
    const auto made = scheme.make();
    if (!made->Traits().tunable || !made->Traits().straight_through) {
      return "oscillation is for straight-through schemes that are tuned, which scheme '" +
             scheme.type + "' is not";
    }
    if (made->Traits().tells_latents) return "";
    const auto known =
        SchemesThat([](const RoundingScheme& s) { return s.Traits().tells_latents; });
    return "oscillation can't hold the codes of scheme '" + scheme.type +
           "', which does not tell what it rounds" + SuggestionSuffix("", known);
  });
  f.Rule([this]() -> std::string {
    const bool soft = scheme.make && !scheme.make()->Traits().straight_through;
    return soft && tune.select == Select::kBestMinibatch
               ? "select: best_minibatch is not for scheme '" + scheme.type +
                     "': it is soft while it is tuned, and its least loss is that of weights that "
                     "are hardly rounded (known: last, best_full)"
               : "";
  });
}

}  // namespace roundlab
