#include "core/text/tokenizer/prefix_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace roundlab {
namespace {

using Found = std::vector<std::pair<std::size_t, std::int32_t>>;

Found Prefixes(const PrefixTree& tree, std::string_view text) {
  Found found;
  tree.ForEachPrefix(
      text, [&](std::size_t bytes, std::int32_t value) { found.emplace_back(bytes, value); });
  return found;
}

TEST(PrefixTreeTest, FindsWhatATextBeginsWith) {
  const PrefixTree tree({{"ab", 3}, {"", 9}, {"a", 1}, {"abcd", 4}, {"\xFF", 5}, {"ab", 7}});
  EXPECT_EQ(Prefixes(tree, "abcz"), (Found{{1, 1}, {2, 7}}));
  EXPECT_EQ(Prefixes(tree, "abcd"), (Found{{1, 1}, {2, 7}, {4, 4}}));
  EXPECT_EQ(Prefixes(tree, "\xFF"), (Found{{1, 5}}));
  EXPECT_EQ(Prefixes(tree, "b"), Found{});
  EXPECT_EQ(Prefixes(tree, ""), Found{});
  EXPECT_EQ(Prefixes(PrefixTree({}), "a"), Found{});
}

TEST(PrefixTreeTest, AgreesWithAMap) {
  std::mt19937 random(3);
  const auto text_of = [&](std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += static_cast<char>(random() % 4 * 80);
    return text;
  };
  for (int round = 0; round < 100; ++round) {
    std::map<std::string, std::int32_t> map;
    for (std::size_t count = random() % 40; count > 0; --count) {
      map[text_of(1 + random() % 5)] = static_cast<std::int32_t>(random() % 100);
    }
    const PrefixTree tree({map.begin(), map.end()});
    for (int repeat = 0; repeat < 20; ++repeat) {
      const std::string text = text_of(random() % 8);
      Found expected;
      for (std::size_t size = 1; size <= text.size(); ++size) {
        const auto found = map.find(text.substr(0, size));
        if (found != map.end()) expected.emplace_back(size, found->second);
      }
      ASSERT_EQ(Prefixes(tree, text), expected);
    }
  }
}

}  // namespace
}  // namespace roundlab
