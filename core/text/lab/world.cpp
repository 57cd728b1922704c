#include "core/text/lab/world.h"

#include <set>

#include "core/base/random.h"
#include "core/text/lab/random.h"

namespace roundlab {
namespace {

constexpr std::uint32_t kPeople = 240;
constexpr std::uint32_t kTowns = 48;
constexpr std::uint32_t kAnimals = 24;

/// Invented names, each given once.
class Names {
 public:
  explicit Names(std::uint64_t seed) : random_(StreamSeed(seed, "lab/names")) {
    for (const LabKind kind : {LabKind::kPerson, LabKind::kTown, LabKind::kAnimal}) {
      for (const LabRelation& relation : LabRelations(kind)) {
        taken_.insert(relation.values.begin(), relation.values.end());
      }
    }
  }

  std::string Take(const std::vector<std::string>& endings, bool capital) {
    static const std::vector<std::string> kOnsets = {"b", "br", "c",  "d", "dr", "f", "g", "gr",
                                                     "h", "j",  "k",  "l", "m",  "n", "p", "pr",
                                                     "r", "s",  "st", "t", "tr", "v", "w", "z"};
    static const std::vector<std::string> kVowels = {"a", "e", "i", "o", "u"};
    static const std::vector<std::string> kMiddles = {"l", "m", "n",  "r", "s",
                                                      "v", "d", "nd", "ll"};
    while (true) {
      std::string name = random_.Pick(kOnsets);
      name += random_.Pick(kVowels);
      name += random_.Pick(kMiddles);
      name += random_.Pick(endings);
      if (!taken_.insert(name).second) continue;
      if (capital) name[0] = static_cast<char>(name[0] - 'a' + 'A');
      return name;
    }
  }

 private:
  LabRandom random_;
  std::set<std::string> taken_;
};

void AddPeople(Names* names, LabRealm* people) {
  for (std::uint32_t i = 0; i < kPeople; ++i) {
    const bool female = i % 2 == 0;
    const std::string name = female ? names->Take({"a", "ia", "ine", "ey", "is"}, true)
                                    : names->Take({"o", "an", "en", "us", "or"}, true);
    people->entities.push_back({name, name, female ? "She" : "He", female ? "her" : "his", {}});
  }
}

void AddTowns(Names* names, LabRealm* towns) {
  for (std::uint32_t i = 0; i < kTowns; ++i) {
    const std::string name = names->Take({"by", "ton", "ford", "ham", "wick", "mouth"}, true);
    towns->entities.push_back({name, name, "It", "its", {}});
  }
}

void AddAnimals(Names* names, LabRealm* animals) {
  for (std::uint32_t i = 0; i < kAnimals; ++i) {
    const std::string name = names->Take({"ick", "ock", "og", "ew", "unk", "el"}, false);
    animals->entities.push_back({"the " + name, "The " + name, "It", "its", {}});
  }
}

void DrawFacts(std::uint64_t seed, const std::string& realm_name, LabRealm* realm) {
  LabRandom random(StreamSeed(seed, "lab/facts/" + realm_name));
  for (LabEntity& entity : realm->entities) {
    for (const LabRelation& relation : realm->relations) {
      std::uint32_t value = random.Below(static_cast<std::uint32_t>(relation.values.size()));
      while (relation.values[value] == entity.name) {  // nobody is a friend of himself
        value = random.Below(static_cast<std::uint32_t>(relation.values.size()));
      }
      entity.values.push_back(value);
    }
  }
}

}  // namespace

LabWorld::LabWorld(std::uint64_t world_seed)
    : seed(world_seed),
      people{LabRelations(LabKind::kPerson), {}},
      towns{LabRelations(LabKind::kTown), {}},
      animals{LabRelations(LabKind::kAnimal), {}} {
  Names names(seed);
  AddPeople(&names, &people);
  AddTowns(&names, &towns);
  AddAnimals(&names, &animals);
  enum : std::size_t { kHome = 0, kPet = 3, kFriend = 5 };
  for (const LabEntity& town : towns.entities) people.relations[kHome].values.push_back(town.name);
  for (const LabEntity& animal : animals.entities) {
    people.relations[kPet].values.push_back(animal.name.substr(4));  // without "the "
  }
  for (const LabEntity& person : people.entities) {
    people.relations[kFriend].values.push_back(person.name);
  }
  DrawFacts(seed, "people", &people);
  DrawFacts(seed, "towns", &towns);
  DrawFacts(seed, "animals", &animals);
}

const LabRealm& LabWorld::Realm(LabKind kind) const {
  if (kind == LabKind::kPerson) return people;
  return kind == LabKind::kTown ? towns : animals;
}

}  // namespace roundlab
