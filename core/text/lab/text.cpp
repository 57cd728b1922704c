#include "core/text/lab/text.h"

#include <numeric>

#include "core/base/random.h"
#include "core/text/lab/items.h"

namespace roundlab {
namespace {

/// Writes the paragraphs of one document.
class Writer {
 public:
  Writer(const LabWorld& world, std::uint64_t seed) : world_(world), random_(seed) {}

  std::string Document() {
    const std::uint32_t paragraphs = 8 + random_.Below(6);
    for (std::uint32_t i = 0; i < paragraphs; ++i) {
      if (i > 0) out_ += "\n";
      Paragraph();
    }
    return std::move(out_);
  }
  double Nats() const { return random_.Nats(); }

 private:
  void Paragraph() {
    const std::uint32_t kind = random_.Below(30);
    if (kind < 5) return Portrait(world_.people, 3 + random_.Below(3));
    if (kind == 5) return Portrait(world_.towns, 3);
    if (kind == 6) return Portrait(world_.animals, 3);
    if (kind == 7) return Journey();
    if (kind < 11) return Facts();
    if (kind == 11) return Agreement();
    if (kind < 15) return Story();
    if (kind < 18) return Plain(LabTask::kCount);
    if (kind < 22) return Plain(LabTask::kCloze);
    if (kind < 26) return YesNo();
    return Plain(LabTask::kPronoun);
  }

  void Space() { out_ += " "; }

  /// `count` facts of one of a realm, by name first, then mostly by pronoun; some told by saying
  /// what is not so.
  void Portrait(const LabRealm& realm, std::uint32_t count) {
    const LabEntity& entity = random_.Pick(realm.entities);
    std::vector<std::uint32_t> order(realm.relations.size());
    std::iota(order.begin(), order.end(), 0U);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i > 0) Space();
      const auto left = static_cast<std::uint32_t>(order.size()) - i;
      std::swap(order[i], order[i + random_.Below(left)]);
      Tell(realm, entity, order[i], i > 0 && random_.Chance(1, 2));
    }
  }

  void Tell(const LabRealm& realm, const LabEntity& entity, std::uint32_t index, bool pronoun) {
    const LabRelation& relation = realm.relations[index];
    const std::string& value = relation.values[entity.values[index]];
    const std::string& subject = pronoun ? entity.pronoun : entity.subject;
    if (random_.Chance(1, 8)) {
      const auto others = static_cast<std::uint32_t>(relation.values.size()) - 1;
      std::uint32_t other = random_.Below(others);
      if (other >= entity.values[index]) ++other;
      Fill(relation.negation, entity, subject, value, relation.values[other]);
    } else {
      Fill(random_.Pick(relation.statements), entity, subject, value, value);
    }
  }

  void Fill(const std::string& text, const LabEntity& entity, const std::string& subject,
            const std::string& value, const std::string& other) {
    LabFill(text,
            {subject, entity.name, value, other, LabArticle(value), LabArticle(other),
             entity.possessive},
            &out_);
  }

  /// Two people meet; each is told by facts, and one goes home in the end.
  void Journey() {
    const std::uint32_t person = random_.Below(static_cast<std::uint32_t>(People().size()));
    const LabEntity& guest = People()[person];
    const std::uint32_t town =
        random_.Below(static_cast<std::uint32_t>(world_.towns.entities.size()));
    const std::uint32_t other = random_.Below(static_cast<std::uint32_t>(People().size()) - 1);
    const LabEntity& host = People()[other < person ? other : other + 1];
    const std::string& home = world_.people.Value(person, 0);
    const std::string& job = world_.people.Value(person, 1);
    const std::string& known_for = world_.towns.Value(town, 2);
    const std::string they = guest.pronoun == "She" ? "she" : "he";
    LabFill("$0, $1 $2 from $3, goes to $4 for $5. ",
            {guest.name, LabArticle(job), job, home, world_.towns.entities[town].name, known_for},
            &out_);
    LabFill("There $0 meets $1. ", {they, host.name}, &out_);
    Tell(world_.people, host, random_.Below(8), true);
    LabFill(" After a few days $0 takes the $1 and goes home to $2.", {guest.name, known_for, home},
            &out_);
  }

  void Append(const LabItem& item) {
    out_ += item.context;
    Space();
    out_ += item.answer;
    out_ += item.rest;
  }
  LabItem Item(LabTask task) { return MakeLabItem(world_, task, false, &random_); }

  void Facts() {
    Append(Item(LabTask::kFact));
    out_ += "\n";
    Append(Item(LabTask::kFact));
  }
  void Agreement() {
    Append(Item(LabTask::kAgreement));
    Space();
    Append(Item(LabTask::kAgreement));
    Space();
    Append(Item(LabTask::kAgreement));
  }
  void Plain(LabTask task) { Append(Item(task)); }
  void Story() {
    const LabItem item = Item(LabTask::kStory);
    out_ += item.title + ": ";
    Append(item);
  }
  void YesNo() {
    const LabItem item = Item(LabTask::kYesNo);
    out_ += item.title + "\nQuestion: " + item.context + "?\nAnswer: " + item.answer + item.rest;
  }

  const std::vector<LabEntity>& People() const { return world_.people.entities; }

  const LabWorld& world_;
  LabRandom random_;
  std::string out_;
};

}  // namespace

LabText::LabText(const LabWorld& world, const std::string& split)
    : world_(world), stream_(StreamSeed(world.seed, "lab/text/" + split)) {}

std::string LabText::Document(std::uint64_t index, double* nats) const {
  // Neighbouring seeds of SplitMix64 would walk along one another: a large odd step keeps them
  // apart.
  Writer writer(world_, stream_ + index * 0xd1342543de82ef95U);
  std::string text = writer.Document();
  if (nats != nullptr) *nats += writer.Nats();
  return text;
}

LabFloor EstimateLabFloor(const LabWorld& world, const std::string& split,
                          std::uint64_t documents) {
  const LabText text(world, split);
  double nats = 0;
  double bytes = 0;
  for (std::uint64_t i = 0; i < documents; ++i) {
    bytes += static_cast<double>(text.Document(i, &nats).size());
  }
  return {nats / bytes, bytes / static_cast<double>(documents)};
}

}  // namespace roundlab
