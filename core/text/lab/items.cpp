#include "core/text/lab/items.h"

#include <algorithm>
#include <array>
#include <utility>

namespace roundlab {
namespace {

using Texts = std::vector<std::string>;

template <class List>
std::uint32_t Size(const List& list) {
  return static_cast<std::uint32_t>(list.size());
}

/// Passage; a question that is true of it; two that are false, the second of what it does not name.
const std::vector<std::array<const char*, 4>>& YesNoForms() {
  // Passage; a question that is true of it; two that are false, the second of what it does not
  // name.
  static const std::vector<std::array<const char*, 4>> kForms = {
      {"$0 has the $1 and $2 has the $3.", "does $0 have the $1", "does $0 have the $3",
       "does $0 have the $7"},
      {"$0 has the $1 and $2 has the $3.", "does $2 have the $3", "does $2 have the $1",
       "does $2 have the $7"},
      {"$0 says that the $1 is not in the $4 but in the $5.", "is the $1 in the $5",
       "is the $1 in the $4", "is the $1 in the $6"},
      {"$0 moved the $1 from the $4 to the $5.", "is the $1 in the $5", "is the $1 in the $4",
       "is the $1 in the $6"},
      {"$0 bought a $1 but $2 did not. Both went to the $4.", "did $0 buy a $1", "did $2 buy a $1",
       "did $0 buy a $7"},
      {"Neither $2 nor $0 took the $3. They took the $1.", "did they take the $1",
       "did they take the $3", "did they take the $7"}};
  return kForms;
}

/// Draws the parts of one item.
class ItemMaker {
 public:
  ItemMaker(const LabWorld& world, bool for_task, LabRandom* random)
      : world_(world), words_(TheLabWords()), for_task_(for_task), random_(*random) {}

  LabItem Fact();
  LabItem Agreement();
  LabItem Story();
  LabItem Count();
  LabItem Cloze();
  LabItem YesNo();
  LabItem Pronoun();

 private:
  /// A second of `count`, which 4 divides. Pairs whose sum 4 divides, a quarter of those of each
  /// first, are held out: they are the tasks', and no text of any split has them in a task's form.
  std::uint32_t Second(std::uint32_t first, std::uint32_t count) {
    const std::uint32_t held = (4 - first % 4) % 4;
    const std::uint32_t shift = for_task_ ? 0 : 1 + random_.Below(3);
    return 4 * random_.Below(count / 4) + (held + shift) % 4;
  }

  /// One of `texts` that is none of `seen`, which must lie among them, once each, or be empty.
  std::string Another(const Texts& texts, std::initializer_list<std::string_view> seen) {
    const auto empty = std::count(seen.begin(), seen.end(), "");
    const auto count = Size(texts) - Size(seen) + static_cast<std::uint32_t>(empty);
    std::uint32_t left = random_.Below(count);
    for (const std::string& text : texts) {
      if (std::find(seen.begin(), seen.end(), text) != seen.end()) continue;
      if (left-- == 0) return text;
    }
    return texts.front();
  }

  /// A person and a thing of a pair.
  struct Owner {
    std::uint32_t person;
    std::string name;
    std::string thing;
  };
  Owner DrawOwner() {
    const std::uint32_t person = random_.Below(Size(people()));
    const std::uint32_t thing = Second(person, Size(words_.things));
    return {person, Name(person), words_.things[thing]};
  }
  /// One that is none of `others`, which differ.
  std::uint32_t DrawPerson(std::vector<std::uint32_t> others) {
    std::uint32_t person = random_.Below(Size(people()) - Size(others));
    std::sort(others.begin(), others.end());
    for (const std::uint32_t other : others) person += person >= other ? 1U : 0U;
    return person;
  }
  const std::string& Name(std::uint32_t person) const { return people()[person].name; }
  const std::vector<LabEntity>& people() const { return world_.people.entities; }

  /// `count` wrong answers among `texts`, all different from each other and the answer.
  void AddWrong(const Texts& texts, std::size_t count, LabItem* item) {
    while (for_task_ && item->wrong.size() < count) {
      const std::string& text = random_.Pick(texts);
      const bool known = text == item->answer || std::find(item->wrong.begin(), item->wrong.end(),
                                                           text) != item->wrong.end();
      if (!known) item->wrong.push_back(text);
    }
  }

  const LabWorld& world_;
  const LabWords& words_;
  const bool for_task_;
  LabRandom& random_;
};

LabItem ItemMaker::Fact() {
  const LabRealm* realm = &world_.people;  // as many questions as each has pairs: 20, 2 and 1
  if (random_.Chance(3, 23)) realm = random_.Chance(2, 3) ? &world_.towns : &world_.animals;
  const std::uint32_t entity = random_.Below(Size(realm->entities));
  const std::uint32_t relation =
      Second(entity, static_cast<std::uint32_t>(realm->relations.size()));
  LabItem item;
  item.context = "Question: ";
  LabFill(realm->relations[relation].question, {"", realm->entities[entity].name}, &item.context);
  item.context += "?\nAnswer:";
  item.answer = realm->Value(entity, relation);
  AddWrong(realm->relations[relation].values, 3, &item);
  return item;
}

LabItem ItemMaker::Agreement() {
  static const std::array<std::array<const char*, 2>, 5> kVerbs = {
      {{"is", "are"}, {"was", "were"}, {"looks", "look"}, {"seems", "seem"}, {"feels", "feel"}}};
  static const Texts kBetween = {"near the $0",
                                 "under the $0",
                                 "beside the $0",
                                 "that $1 found with the $0",
                                 "that $1 sold with the $0",
                                 "of $1"};
  const std::uint32_t noun = random_.Below(Size(words_.things));
  const std::uint32_t other = Second(noun, Size(words_.things));
  const bool plural = random_.Chance(1, 2);
  const std::string attractor = words_.things[other] + (random_.Chance(1, 2) ? "s" : "");
  LabItem item;
  item.context = "The " + words_.things[noun] + (plural ? "s " : " ");
  const std::uint32_t kind = random_.Below(for_task_ ? Size(kBetween) - 1 : Size(kBetween));
  const bool named = kind > 2;
  LabFill(kBetween[kind], {attractor, named ? random_.Pick(people()).name : attractor},
          &item.context);
  const auto& verb = random_.Pick(kVerbs);
  const std::string rest = " " + random_.Pick(words_.adjectives) + ".";
  item.answer = verb[plural ? 1 : 0] + rest;
  if (for_task_) item.wrong = {verb[plural ? 0 : 1] + rest};
  return item;
}

LabItem ItemMaker::Story() {
  static const Texts kTake = {"$0 takes the $1 to the $2.", "$0 carries the $1 into the $2.",
                              "$0 leaves the $1 in the $2.", "$0 brings the $1 to the $2."};
  static const Texts kWalk = {"$0 goes to the $2.", "$0 waits in the $2.", "$0 is in the $2.",
                              "$0 sits down in the $2."};
  static const Texts kMove = {"Then $0 moves the $1 to the $2.", "Later $0 takes the $1 to the $2.",
                              "Soon $0 puts the $1 in the $2."};
  static const Texts kEnd = {"Now the $1 is", "In the evening the $1 is", "In the end the $1 is"};
  const Owner owner = DrawOwner();
  const std::string& other = Name(DrawPerson({owner.person}));
  const std::string first = random_.Pick(words_.places);
  const std::string second = Another(words_.places, {first});
  const std::string third = Another(words_.places, {first, second});
  LabItem item;
  item.title = "A day in " + random_.Pick(world_.towns.entities).name;
  const auto tell = [&](const Texts& texts, const std::string& who, const std::string& where) {
    LabFill(random_.Pick(texts), {who, owner.thing, where}, &item.context);
    item.context += " ";
  };
  tell(kTake, owner.name, first);
  tell(kWalk, other, second);
  const bool moved = random_.Chance(1, 2);
  const bool by_owner = moved && random_.Chance(1, 2);
  if (moved) tell(kMove, by_owner ? owner.name : other, third);
  LabFill(random_.Pick(kEnd), {"", owner.thing}, &item.context);
  item.answer = "in the " + (moved ? third : first) + ".";
  if (!for_task_) {  // where the two people are, in either order
    const std::string here = owner.name + " is in the " + (by_owner ? third : first) + ".";
    const std::string there = other + " is in the " + (moved && !by_owner ? third : second) + ".";
    const bool owner_first = random_.Chance(1, 2);
    item.rest = " " + (owner_first ? here : there) + " " + (owner_first ? there : here);
  }
  if (for_task_) {
    const std::string last = moved ? first : third;
    item.wrong = {"in the " + second + ".", "in the " + last + ".",
                  "in the " + Another(words_.places, {first, second, third}) + "."};
  }
  return item;
}

LabItem ItemMaker::Count() {
  static const Texts kMore = {"$0 has $1 $2 and buys $3 more.", "$0 owns $1 $2 and gets $3 more.",
                              "$0 finds $1 $2 and then $3 more."};
  static const Texts kFewer = {"$0 has $1 $2 and loses $3 of them.",
                               "$0 owns $1 $2 and sells $3 of them.",
                               "$0 finds $1 $2 and gives $3 of them away."};
  static const Texts kEnd = {"Now $0 has", "Now $1 has", "In the end $0 has", "So $1 has"};
  const std::uint32_t noun = random_.Below(Size(words_.things));
  const std::uint32_t pair = Second(noun, 32);
  const std::uint32_t change = 1 + pair / 8;
  const bool grows = random_.Chance(1, 2);
  const std::uint32_t before = 1 + pair % 8 + (grows ? 0 : change);
  const std::uint32_t after = grows ? before + change : before - change;
  const auto things = [&](std::uint32_t count) {
    return words_.things[noun] + (count == 1 ? "" : "s");
  };
  const LabEntity& person = random_.Pick(people());
  LabItem item;
  LabFill(random_.Pick(grows ? kMore : kFewer),
          {person.name, words_.numbers[before], things(before), words_.numbers[change]},
          &item.context);
  item.context += " ";
  LabFill(random_.Pick(kEnd), {person.name, person.pronoun == "She" ? "she" : "he"}, &item.context);
  const auto answer = [&](std::uint32_t count) {
    return words_.numbers[count] + " " + things(count) + ".";
  };
  item.answer = answer(after);
  for (std::uint32_t i = 1; for_task_ && item.wrong.size() < 3; ++i) {
    if (after + i <= 12) item.wrong.push_back(answer(after + i));
    if (after > i && item.wrong.size() < 3) item.wrong.push_back(answer(after - i));
  }
  return item;
}

LabItem ItemMaker::Cloze() {
  static const Texts kOwners = {
      "$0 has the $1 and $2 has the $3. $4 asks for the $5, so $4 talks to",
      "$0 owns the $1. $2 owns the $3. The one who lends the $5 to $4 is",
      "$0 found the $1 and $2 found the $3. $4 got the $5 from"};
  static const Texts kPlaces = {
      "$0 keeps the $1 in the $2 and the $3 in the $4. To get the $5, $0 goes to the",
      "The $1 of $0 is in the $2 and the $3 is in the $4. $0 looks for the $5 in the"};
  static const Texts kHome = {"It was late, so $0 took the $1 and went home to",
                              "$0 sold the $1, left the $2 and took the road home to"};
  const Owner owner = DrawOwner();
  LabItem item;
  item.rest = ".";
  const std::uint32_t kind = random_.Below(3);
  std::string thing;
  if (kind != 2) thing = Another(words_.things, {owner.thing});
  const bool first = kind != 2 && random_.Chance(1, 2);
  const std::string_view asked = first ? owner.thing : thing;
  std::string more;  // of a text: the other thing
  if (kind == 0) {
    const std::uint32_t second = DrawPerson({owner.person});
    const std::string& other = Name(second);
    const std::string& third = Name(DrawPerson({owner.person, second}));
    LabFill(random_.Pick(kOwners), {owner.name, owner.thing, other, thing, third, asked},
            &item.context);
    item.answer = first ? owner.name : other;
    more = " The $0 is that of " + (first ? other : owner.name) + ".";
  } else if (kind == 1) {
    const std::string place = random_.Pick(words_.places);
    const std::string other = Another(words_.places, {place});
    LabFill(random_.Pick(kPlaces), {owner.name, owner.thing, place, thing, other, asked},
            &item.context);
    item.answer = first ? place : other;
    more = " The $0 is in the " + (first ? other : place) + ".";
  } else {
    const std::string& place = random_.Pick(words_.places);
    LabFill(random_.Pick(kHome), {owner.name, owner.thing, place}, &item.context);
    item.answer = world_.people.Value(owner.person, 0);
  }
  if (!for_task_) LabFill(more, {first ? thing : owner.thing}, &item.rest);
  return item;
}

LabItem ItemMaker::YesNo() {
  const Owner owner = DrawOwner();
  const auto& form = random_.Pick(YesNoForms());
  // Only what the form names is drawn: a draw that does not show would loosen the floor.
  const auto uses = [&](const char* text, const char* value) {
    return std::string_view(text).find(value) != std::string_view::npos;
  };
  const std::string& other = Name(DrawPerson({owner.person}));
  std::string thing;
  std::string place;
  std::string other_place;
  if (uses(form[0], "$3")) thing = Another(words_.things, {owner.thing});
  if (uses(form[0], "$4")) place = random_.Pick(words_.places);
  if (uses(form[0], "$5")) other_place = Another(words_.places, {place});
  const bool yes = random_.Chance(1, 2);
  const auto question = [&](bool is_true) {
    if (is_true) return form[1];
    return form[random_.Chance(1, 2) ? 2 : 3];
  };
  const auto fill = [&](const char* text, std::string* out) {
    std::string unnamed;
    if (uses(text, "$6")) unnamed = Another(words_.places, {place, other_place});
    if (uses(text, "$7")) unnamed = Another(words_.things, {owner.thing, thing});
    LabFill(text, {owner.name, owner.thing, other, thing, place, other_place, unnamed, unnamed},
            out);
  };
  LabItem item;
  fill(form[0], &item.title);
  fill(question(yes), &item.context);
  item.answer = yes ? "yes" : "no";
  if (for_task_) {
    item.wrong = {yes ? "no" : "yes"};
  } else {  // a text asks twice
    const bool again = random_.Chance(1, 2);
    item.rest = "\nQuestion: ";
    fill(question(again), &item.rest);
    item.rest += again ? "?\nAnswer: yes" : "?\nAnswer: no";
  }
  return item;
}

LabItem ItemMaker::Pronoun() {
  // Sentence; reasons of the first person; reasons of the second.
  struct Form {
    const char* sentence;
    std::array<const char*, 2> first;
    std::array<const char*, 2> second;
  };
  static const std::vector<Form> kForms = {{"$0 gave the $1 to $2 because",
                                            {"did not need it", "had two of them"},
                                            {"had asked for it", "had lost one"}},
                                           {"$0 thanked $2 for the $1 because",
                                            {"was glad to get it", "had wished for it"},
                                            {"had brought it", "had made it well"}},
                                           {"$0 sold the $1 to $2 because",
                                            {"needed money", "wanted to be rid of it"},
                                            {"had enough money", "wanted to own it"}},
                                           {"$0 asked $2 about the $1 because",
                                            {"knew nothing about it", "was curious"},
                                            {"knew all about it", "had made it"}},
                                           {"$0 was angry with $2 about the $1 because",
                                            {"had to pay for it", "missed it"},
                                            {"had broken it", "had lost it"}},
                                           {"$0 taught $2 to use the $1 because",
                                            {"was a good teacher", "had used it for years"},
                                            {"was new to it", "wished to learn"}}};
  const Owner owner = DrawOwner();
  const std::string& other = Name(DrawPerson({owner.person}));
  const Form& form = random_.Pick(kForms);
  const bool first = random_.Chance(1, 2);
  LabItem item;
  LabFill(form.sentence, {owner.name, owner.thing, other}, &item.context);
  item.answer = first ? owner.name : other;
  const auto reason = [&](bool of_first) {
    return " " + std::string(random_.Pick(of_first ? form.first : form.second)) + ".";
  };
  item.rest = reason(first);
  if (!for_task_) {  // a text goes on about the other
    item.rest += " " + (first ? other : owner.name);
    item.rest += reason(!first);
  }
  if (for_task_) item.wrong = {first ? other : owner.name};
  return item;
}

}  // namespace

LabItem MakeLabItem(const LabWorld& world, LabTask task, bool for_task, LabRandom* random) {
  ItemMaker maker(world, for_task, random);
  switch (task) {
    case LabTask::kFact:
      return maker.Fact();
    case LabTask::kAgreement:
      return maker.Agreement();
    case LabTask::kStory:
      return maker.Story();
    case LabTask::kCount:
      return maker.Count();
    case LabTask::kCloze:
      return maker.Cloze();
    case LabTask::kYesNo:
      return maker.YesNo();
    default:
      return maker.Pronoun();
  }
}

void LabFill(std::string_view text, std::initializer_list<std::string_view> values,
             std::string* out) {
  while (true) {
    const std::size_t place = text.find('$');
    if (place == std::string_view::npos) break;
    out->append(text.substr(0, place));
    out->append(values.begin()[text[place + 1] - '0']);
    text.remove_prefix(place + 2);
  }
  out->append(text);
}

std::string_view LabArticle(std::string_view word) {
  return std::string_view("aeiou").find(word.front()) != std::string_view::npos ? "an" : "a";
}

}  // namespace roundlab
