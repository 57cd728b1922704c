#include "eval/template.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"

namespace roundlab {
namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// The first `what` of a place from `begin` on that is in no quotes; one opens where a word of a
/// filter begins.
std::size_t FindBare(std::string_view place, char what, std::size_t begin) {
  const std::size_t filters = place.find('|');
  for (std::size_t i = begin; i < place.size(); ++i) {
    if (place[i] == what) return i;
    const bool word = i > filters && (place[i - 1] == ' ' || place[i - 1] == '|');
    if (word && place[i] == '\'') i = std::min(place.find('\'', i + 1), place.size());
  }
  return std::string_view::npos;
}

}  // namespace

Template::Template(const std::string& text) {
  Part part;
  for (std::size_t place = 0; place < text.size(); ++place) {
    const char c = text[place];
    const bool doubled = place + 1 < text.size() && text[place + 1] == c;
    if (c == '{' && !doubled) {
      const std::string_view rest = std::string_view(text).substr(place + 1);
      const std::size_t length = FindBare(rest, '}', 0);
      if (length == std::string_view::npos) {
        throw Error("a place that does not end: '" + text.substr(place) + "'");
      }
      Part filled = ParsePlace(rest.substr(0, length));
      filled.text = std::move(part.text);
      parts_.push_back(std::move(filled));
      part = Part();
      place += length + 1;
      continue;
    }
    part.text += c;
    if (doubled && (c == '{' || c == '}')) ++place;
  }
  if (!part.text.empty() || parts_.empty()) parts_.push_back(std::move(part));
}

Template::Part Template::ParsePlace(std::string_view place) {
  Part part;
  std::size_t bar = place.find('|');
  std::string_view name = Trim(place.substr(0, bar));
  if (const std::size_t dot = name.rfind('.'); dot != std::string_view::npos) {
    const std::string_view number = name.substr(dot + 1);
    const auto read = std::from_chars(number.data(), number.data() + number.size(), part.item);
    if (read.ec != std::errc() || read.ptr != number.data() + number.size() || part.item < 0) {
      throw Error("'" + std::string(name) + "': expected the number of an item behind the dot");
    }
    name = name.substr(0, dot);
  }
  part.field = std::string(name);
  if (part.field.empty()) throw Error("a place without a field: '{" + std::string(place) + "}'");
  while (bar != std::string_view::npos) {
    const std::size_t next = FindBare(place, '|', bar + 1);
    part.filters.emplace_back(Trim(place.substr(bar + 1, next - bar - 1)));
    bar = next;
  }
  return part;
}

const FieldText& Template::Find(const Part& part, const FieldTexts& fields) {
  const auto found = fields.find(part.field);
  if (found != fields.end()) return found->second;
  throw Error("unknown placeholder '" + part.field + "'" +
              SuggestionSuffix(part.field, Keys(fields)));
}

std::string Template::Filtered(const Part& part, std::string text) {
  for (const TextFilter& filter : part.filters) text = filter.Apply(text);
  return text;
}

std::string Template::Fill(const FieldTexts& fields) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.text;
    if (part.field.empty()) continue;
    const FieldText& field = Find(part, fields);
    if (field.list != (part.item >= 0)) {
      throw Error("'" + part.field + "' is " + (field.list ? "a list" : "one text"));
    }
    const auto item = static_cast<std::size_t>(part.item < 0 ? 0 : part.item);
    if (item >= field.items.size()) {
      throw Error("'" + part.field + "' has " + std::to_string(field.items.size()) +
                  " items, no number " + std::to_string(item));
    }
    out += Filtered(part, field.items[item]);
  }
  return out;
}

FieldText Template::FillField(const FieldTexts& fields) const {
  const Part& part = parts_.front();
  const bool alone = parts_.size() == 1 && part.text.empty() && !part.field.empty();
  if (!alone || part.item >= 0 || !Find(part, fields).list) return {{Fill(fields)}, false};
  FieldText filled{{}, true};
  for (const std::string& item : Find(part, fields).items) {
    filled.items.push_back(Filtered(part, item));
  }
  return filled;
}

}  // namespace roundlab
