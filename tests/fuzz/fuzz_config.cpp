#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/config/fields.h"
#include "core/config/node.h"
#include "core/config/value_fields.h"

namespace {

using roundlab::Diagnostic;

enum class Order { kColumn, kRow };
const roundlab::EnumNames<Order> kOrders = {{Order::kColumn, "column"}, {Order::kRow, "row"}};

struct Inner {
  Order order = Order::kRow;
  double lr = 1;
  void Fields(roundlab::FieldVisitor& f) {
    roundlab::EnumField order_field(&order, kOrders);
    f.Value("order", order_field, "");
    f.Real("lr", &lr, roundlab::Above(0), "");
  }
};

struct Options {
  std::int64_t bits = 4;
  bool flag = false;
  std::string text;
  Inner inner;
  std::vector<Inner> list;
  std::vector<std::string> words;
  std::optional<Inner> maybe;
  void Fields(roundlab::FieldVisitor& f) {
    f.Int("bits", &bits, roundlab::Between(-8, 8), "");
    f.Bool("flag", &flag, "");
    f.String("text", &text, "");
    f.Section(
        "inner", [this](roundlab::FieldVisitor& g) { inner.Fields(g); }, "");
    roundlab::ListOf<Inner> list_field(&list);
    roundlab::StringList words_field(&words);
    roundlab::OptionalSection<Inner> maybe_field(&maybe);
    f.Value("list", list_field, "");
    f.Value("words", words_field, "");
    f.Value("maybe", maybe_field, "");
  }
};

}  // namespace

// Any YAML, and what stands behind its first zero byte as an override, either fail with
// diagnostics or give options whose canonical text reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  try {
    roundlab::ConfigNode node = roundlab::ParseYaml(input.substr(0, zero), "fuzz");
    if (zero != std::string::npos) roundlab::ApplyOverride(input.substr(zero + 1), &node);
    std::vector<Diagnostic> diagnostics;
    Options options;
    roundlab::ReadFields(node, "", roundlab::FieldsOf(&options), &diagnostics);
    if (!diagnostics.empty()) return 0;
    const std::string text = roundlab::WriteFields(roundlab::FieldsOf(&options));
    Options again;
    roundlab::ReadFields(roundlab::ParseYaml(text.empty() ? "{}" : text, "again"), "",
                         roundlab::FieldsOf(&again), &diagnostics);
    if (!diagnostics.empty()) std::abort();
    if (roundlab::WriteFields(roundlab::FieldsOf(&again)) != text) std::abort();
  } catch (const roundlab::ConfigError&) {
  }
  return 0;
}
