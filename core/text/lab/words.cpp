#include "core/text/lab/world.h"

namespace roundlab {
namespace {

std::vector<LabRelation> PeopleRelations() {
  return {
      {{},  // towns
       "Where does $1 live",
       {"$0 lives in $2.", "$0 has a house in $2.", "The home of $1 is in $2.", "In $2 lives $1.",
        "$0 comes from $2."},
       "$0 does not live in $3 but in $2."},
      {{"baker",   "smith",  "miller", "weaver",  "potter",    "farmer",   "fisher",   "tailor",
        "teacher", "doctor", "singer", "painter", "carpenter", "gardener", "shepherd", "sailor",
        "hunter",  "cook",   "guard",  "clerk",   "actor",     "engineer"},
       "What is the work of $1",
       {"$0 is $4 $2.", "$0 works as $4 $2.", "The work of $1 is that of $4 $2.",
        "$0 learned the trade of $4 $2.", "People know $1 as $4 $2."},
       "$0 is not $5 $3 but $4 $2."},
      {{"bread", "cheese", "soup", "honey", "rice", "fish", "cake", "butter", "beans", "nuts",
        "plums", "pears", "onions", "mushrooms", "cherries", "porridge"},
       "What does $1 like to eat",
       {"$0 likes to eat $2.", "$0 eats $2 every day.", "The best food for $1 is $2.",
        "$0 never says no to $2.", "What $1 likes to eat is $2."},
       "$0 does not like $3 but eats $2."},
      {{},  // animals
       "Which animal does $1 keep",
       {"$0 keeps $4 $2.", "$0 has $4 $2 at home.", "The animal of $1 is $4 $2.",
        "$0 walks with $6 $2 in the evening.", "At home $1 feeds $4 $2."},
       "$0 does not keep $5 $3 but $4 $2."},
      {{"red", "blue", "green", "yellow", "white", "black", "brown", "gray", "orange", "purple",
        "pink", "golden"},
       "Which color does $1 wear",
       {"$0 wears $2.", "$0 always wears $4 $2 coat.", "The coat of $1 is $2.",
        "The color of $1 is $2.", "$0 owns many $2 shirts."},
       "$0 does not wear $3 but $2."},
      {{},  // people
       "Who is the best friend of $1",
       {"$0 is a friend of $2.", "The best friend of $1 is $2.", "$0 often visits $2.",
        "$0 writes letters to $2.", "Nobody knows $1 better than $2."},
       "$0 is not a friend of $3 but of $2."},
      {{"spring", "summer", "autumn", "winter"},
       "When was $1 born",
       {"$0 was born in $2.", "The birthday of $1 is in $2.", "It was $2 when $1 was born.",
        "$0 has a birthday in $2."},
       "$0 was not born in $3 but in $2."},
      {{"flute", "drum", "harp", "fiddle", "horn", "guitar", "whistle", "organ", "bell", "lute",
        "pipe", "banjo"},
       "What does $1 play",
       {"$0 plays the $2.", "$0 owns an old $2.", "$0 took lessons on the $2.",
        "In the evening $1 plays the $2.", "One often hears $1 on the $2."},
       "$0 does not play the $3 but the $2."},
  };
}

std::vector<LabRelation> TownRelations() {
  return {
      {{"Arvenia", "Boltria", "Cendor", "Dravia", "Elmark", "Fenwald", "Gostria", "Harland"},
       "In which land is $1",
       {"$0 is a town in $2.", "$0 belongs to $2.", "In $2 there is a town called $1.",
        "The flag of $2 flies over $1."},
       "$0 is not in $3 but in $2."},
      {{"river", "lake", "sea", "hill", "forest", "desert", "marsh", "valley"},
       "What is $1 close to",
       {"$0 is close to the $2.", "$0 was built beside the $2.", "From $1 one can see the $2.",
        "The $2 is close to $1."},
       "$0 is not close to the $3 but to the $2."},
      {{"wool", "silk", "salt", "wine", "paper", "glass", "rope", "steel", "amber", "soap",
        "candles", "boats"},
       "What is $1 known for",
       {"$0 is known for $2.", "$0 sells $2 to other towns.", "Traders bring $2 from $1.",
        "Many people go to $1 for $2."},
       "$0 is not known for $3 but for $2."},
      {{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
       "When is the market in $1",
       {"$0 has a market on $2.", "The market of $1 is on $2.", "On $2 people go to market in $1.",
        "$0 is full of people on $2."},
       "$0 has no market on $3 but on $2."},
  };
}

std::vector<LabRelation> AnimalRelations() {
  return {
      {{"red", "blue", "green", "yellow", "white", "black", "brown", "gray", "orange", "purple",
        "pink", "golden"},
       "Which color is $1",
       {"$0 is $2.", "The color of $1 is $2.", "$0 has $2 fur.", "$0 is born $2 and stays so."},
       "$0 is not $3 but $2."},
      {{"caves", "meadows", "trees", "rivers", "lakes", "deserts", "swamps", "hills", "gardens",
        "forests", "barns", "burrows"},
       "Where does $1 sleep",
       {"$0 sleeps in $2.", "$0 likes to live in $2.", "The home of $1 is in $2.",
        "Look for $1 in $2."},
       "$0 does not sleep in $3 but in $2."},
      {{"leaves", "seeds", "roots", "berries", "worms", "beetles", "grass", "eggs", "moss", "frogs",
        "snails", "bark"},
       "What does $1 eat",
       {"$0 eats $2.", "$0 feeds on $2.", "$0 looks for $2 at night.", "The food of $1 is $2."},
       "$0 does not eat $3 but $2."},
      {{"two", "four", "six", "eight"},
       "How many legs does $1 have",
       {"$0 has $2 legs.", "$0 runs on $2 legs.", "The legs of $1 are $2 in number.",
        "$0 stands on $2 legs."},
       "$0 does not have $3 legs but $2."},
  };
}

}  // namespace

std::vector<LabRelation> LabRelations(LabKind kind) {
  if (kind == LabKind::kPerson) return PeopleRelations();
  return kind == LabKind::kTown ? TownRelations() : AnimalRelations();
}

const LabWords& TheLabWords() {
  static const LabWords kWords = {
      {"lamp",   "key",    "cup",   "book",   "coin",   "map",    "rope",   "ring",
       "hat",    "coat",   "bag",   "jar",    "spoon",  "pan",    "pot",    "drum",
       "basket", "bottle", "chair", "ladder", "bell",   "needle", "pen",    "clock",
       "belt",   "boot",   "net",   "shovel", "hammer", "letter", "candle", "bucket"},
      {"mill", "barn", "tower", "garden", "kitchen", "cellar", "school", "temple", "hall", "stable",
       "library", "forest", "workshop", "tavern", "castle", "cave"},
      {"old", "new", "clean", "heavy", "light", "broken", "round", "small", "large", "warm", "cold",
       "strong", "rare", "cheap", "soft", "wet"},
      {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
       "eleven", "twelve"}};
  return kWords;
}

}  // namespace roundlab
