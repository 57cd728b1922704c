#include "experiments/report/ticks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// Plain decimals within these, else with an exponent.
constexpr double kPlainLeast = 1e-4;
constexpr double kPlainMost = 1e6;

/// "4e-06" becomes "4e-6", "1.50e+07" "1.5e7".
std::string TidyExponent(const std::string& text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') != std::string::npos) {
    mantissa.erase(mantissa.find_last_not_of('0') + 1);
    if (mantissa.back() == '.') mantissa.pop_back();
  }
  return mantissa + "e" + std::to_string(std::stoi(text.substr(e + 1)));
}

std::string Format(const char* format, int digits, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, digits, value);
  return text;
}

/// Digits as needed to tell apart values that are `step` apart.
std::string TickLabel(double value, double step) {
  if (value == 0) return "0";
  const int step_digit = static_cast<int>(std::floor(std::log10(step) + 1e-9));
  const double size = std::fabs(value);
  if (size >= kPlainLeast && size < kPlainMost) {
    return Format("%.*f", std::max(0, -step_digit), value);
  }
  const int first_digit = static_cast<int>(std::floor(std::log10(size) + 1e-9));
  return TidyExponent(Format("%.*e", std::max(0, first_digit - step_digit), value));
}

/// 1, 2, 5, 10, 20, ...: the k-th, for k of any sign.
double NiceStep(int k) {
  constexpr double kSteps[] = {1, 2, 5};
  const int decade = static_cast<int>(std::floor(k / 3.0));
  return kSteps[k - 3 * decade] * std::pow(10.0, decade);
}

}  // namespace

std::vector<Tick> LinearTicks(double low, double high, int most) {
  ROUNDLAB_CHECK(low < high && std::isfinite(high - low) && most >= 2, "a range of an axis");
  int k = 3 * static_cast<int>(std::floor(std::log10((high - low) / most)));
  const auto first = [&](double step) { return std::ceil(low / step - 1e-9); };
  const auto last = [&](double step) { return std::floor(high / step + 1e-9); };
  while (last(NiceStep(k)) - first(NiceStep(k)) + 1 > most) ++k;
  const double step = NiceStep(k);
  std::vector<Tick> ticks;
  for (double i = first(step); i <= last(step); ++i) {
    const double value = i * step + 0.0;  // no negative zero
    ticks.push_back({value, TickLabel(value, step)});
  }
  return ticks;
}

std::vector<Tick> LogTicks(double low, double high, int most) {
  ROUNDLAB_CHECK(0 < low && low < high && std::isfinite(high) && most >= 2, "a range of an axis");
  const auto within = [&](double value) {
    return value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  };
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  std::vector<Tick> ticks;
  for (int k = 3 * first; k <= 3 * last; ++k) {
    const double value = NiceStep(k);
    if (within(value)) ticks.push_back({value, TickLabel(value, value)});
  }
  if (ticks.size() < 3) return LinearTicks(low, high, most);
  for (int stride = 1; static_cast<int>(ticks.size()) > most; ++stride) {
    ticks.clear();
    for (int decade = first; decade <= last; ++decade) {
      const double value = std::pow(10.0, decade);
      if (decade % stride == 0 && within(value)) ticks.push_back({value, TickLabel(value, value)});
    }
  }
  return ticks;
}

std::string ShortNumber(double value, int digits) {
  if (std::isnan(value)) return "-";
  const double size = std::fabs(value);
  if (size >= 1 && size < kPlainMost) {
    const int before = static_cast<int>(std::floor(std::log10(size))) + 1;
    return Format("%.*f", std::max(0, digits - before), value);
  }
  return TidyExponent(Format("%.*g", digits, value));
}

}  // namespace roundlab
