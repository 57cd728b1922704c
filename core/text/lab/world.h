#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// What there is in the lab world.
enum class LabKind { kPerson, kTown, kAnimal };

/// A relation between an entity and one of its values, and how English tells it. In templates
///   $0 subject where a sentence begins ("Mira", "She")     $3 another value than the true one
///   $1 name ("Mira")                                         $4 "a" or "an" in front of the value
///   $2 value ("Tolby")                                       $5 the same in front of $3
///                                                            $6 "his", "her", "its"
struct LabRelation {
  std::vector<std::string> values;
  std::string question;                 ///< of $1, without its question mark
  std::vector<std::string> statements;  ///< with $0 or $1, and $2; with $1 only, they need the name
  std::string negation;                 ///< with $0, $3 and $2
};

struct LabEntity {
  std::string name;                   ///< inside a sentence: "Mira", "the morrel"
  std::string subject;                ///< where one begins
  std::string pronoun;                ///< "She"
  std::string possessive;             ///< "her"
  std::vector<std::uint32_t> values;  ///< a relation: index of its value
};

/// People, towns or animals, and what is true of them.
struct LabRealm {
  std::vector<LabRelation> relations;
  std::vector<LabEntity> entities;
  const std::string& Value(std::uint32_t entity, std::uint32_t relation) const {
    return relations[relation].values[entities[entity].values[relation]];
  }
};

/// The invented world of the built-in laboratory: names and facts are drawn from the seed, words
/// and grammar are fixed. Version 1: a change of words, draws or their order changes the text that
/// models were trained on and needs a new version.
struct LabWorld {
  static constexpr int kVersion = 1;
  explicit LabWorld(std::uint64_t seed);

  std::uint64_t seed;
  LabRealm people;   ///< 240
  LabRealm towns;    ///< 48
  LabRealm animals;  ///< 24
  const LabRealm& Realm(LabKind kind) const;
};

/// Words that need no facts: things with a regular plural, places that one is "in", and more.
struct LabWords {
  std::vector<std::string> things;      ///< 32, plural with "s"
  std::vector<std::string> places;      ///< 16
  std::vector<std::string> adjectives;  ///< 16
  std::vector<std::string> numbers;     ///< "zero" to "twelve"
};
const LabWords& TheLabWords();

/// Relations of a kind without their invented values (towns of people, ...).
std::vector<LabRelation> LabRelations(LabKind kind);

}  // namespace roundlab
