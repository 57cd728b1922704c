#include "core/metrics/run_record.h"

#include <bit>
#include <charconv>
#include <iterator>
#include <sstream>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr const char* kHeader = "roundlab record 1";

/// What a word of a line can't hold.
bool IsEscaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte == 0x7F || c == '%';
}

std::string Escaped(const std::string& name) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string word;
  for (const char c : name) {
    if (!IsEscaped(c)) {
      word += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    word += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return word;
}

/// Where `word` is Escaped's.
std::string Unescaped(const std::string& word) {
  std::string name;
  for (std::size_t i = 0; i < word.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = word.data() + i + 1;
    const bool escaped = word[i] == '%' && i + 2 < word.size() &&
                         std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    name += escaped ? static_cast<char>(byte) : word[i];
    if (escaped) i += 2;
  }
  return name;
}

template <class T>
void AppendList(const std::vector<T>& values, std::string* text) {
  *text += ' ' + std::to_string(values.size());
  char digits[24];
  for (const T value : values) {
    // Doubles go as their bits, so that NaN and the last digit survive.
    if constexpr (std::is_same_v<T, double>) {
      const auto end =
          std::to_chars(digits, digits + sizeof(digits), std::bit_cast<std::uint64_t>(value), 16);
      *text += ' ' + std::string(digits, end.ptr);
    } else {
      const auto end = std::to_chars(digits, digits + sizeof(digits), value);
      *text += ' ' + std::string(digits, end.ptr);
    }
  }
}

template <class T>
bool ReadList(std::istringstream* in, std::vector<T>* values) {
  std::size_t count = 0;
  if (!(*in >> count) || count > (std::size_t{1} << 32)) return false;
  values->reserve(count);
  std::string word;
  for (std::size_t i = 0; i < count; ++i) {
    if (!(*in >> word)) return false;
    const char* end = word.data() + word.size();
    if constexpr (std::is_same_v<T, double>) {
      std::uint64_t bits = 0;
      if (std::from_chars(word.data(), end, bits, 16).ptr != end) return false;
      values->push_back(std::bit_cast<double>(bits));
    } else {
      T value{};
      if (std::from_chars(word.data(), end, value).ptr != end) return false;
      values->push_back(value);
    }
  }
  return true;
}

}  // namespace

void RunRecord::Record(std::string_view series, std::int64_t step, double value) {
  auto found = series_.find(series);
  if (found == series_.end()) found = series_.emplace(std::string(series), Series{}).first;
  found->second.steps.push_back(step);
  found->second.values.push_back(value);
}

void RunRecord::Array(std::string_view name, std::vector<std::int64_t> shape,
                      std::vector<double> values) {
  std::int64_t count = 1;
  for (const std::int64_t side : shape) count *= side;
  if (count != std::ssize(values)) {
    throw Error("array '" + std::string(name) + "' has " + std::to_string(values.size()) +
                " values, its shape asks for " + std::to_string(count));
  }
  const bool added =
      arrays_.emplace(std::string(name), ArrayValue{std::move(shape), std::move(values)}).second;
  ROUNDLAB_CHECK(added, "array '" + std::string(name) + "' is recorded twice");
}

void RunRecord::Replay(MetricSink* sink) const {
  for (const auto& [name, series] : series_) {
    for (std::size_t i = 0; i < series.steps.size(); ++i) {
      sink->Record(name, series.steps[i], series.values[i]);
    }
  }
  for (const auto& [name, array] : arrays_) sink->Array(name, array.shape, array.values);
}

RunRecord RunRecord::Under(const std::string& prefix) const {
  RunRecord part;
  for (const auto& [name, series] : series_) {
    if (name.compare(0, prefix.size(), prefix) == 0) part.series_.emplace(name, series);
  }
  for (const auto& [name, array] : arrays_) {
    if (name.compare(0, prefix.size(), prefix) == 0) part.arrays_.emplace(name, array);
  }
  return part;
}

std::string RunRecord::Serialize() const {
  std::string text = std::string(kHeader) + "\n";
  for (const auto& [name, series] : series_) {
    text += "series " + Escaped(name);
    AppendList(series.steps, &text);
    AppendList(series.values, &text);
    text += "\n";
  }
  for (const auto& [name, array] : arrays_) {
    text += "array " + Escaped(name);
    AppendList(array.shape, &text);
    AppendList(array.values, &text);
    text += "\n";
  }
  return text + "end\n";
}

RunRecord RunRecord::Parse(const std::string& text, const std::string& file) {
  RunRecord record;
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line != kHeader) throw Error(file + ": not a run record");
  while (std::getline(lines, line) && line != "end") {
    std::istringstream in(line);
    std::string kind;
    std::string name;
    in >> kind >> name;
    name = Unescaped(name);
    bool good = false;
    if (kind == "series") {
      Series series;
      good = ReadList(&in, &series.steps) && ReadList(&in, &series.values) &&
             series.steps.size() == series.values.size();
      record.series_.emplace(name, std::move(series));
    } else if (kind == "array") {
      ArrayValue array;
      good = ReadList(&in, &array.shape) && ReadList(&in, &array.values);
      record.arrays_.emplace(name, std::move(array));
    }
    if (!good) throw Error(file + ": broken run record at '" + kind + " " + name + "'");
  }
  if (line != "end") throw Error(file + ": run record is cut off");
  return record;
}

}  // namespace roundlab
