#include "eval/windows.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

std::int64_t Count(const std::vector<std::int32_t>& ids) {
  return static_cast<std::int64_t>(ids.size());
}

TokenWindows CutEvenly(std::vector<std::int32_t> ids, std::int64_t seqlen, std::int64_t scored) {
  TokenWindows windows;
  windows.ids = std::move(ids);
  for (std::int64_t begin = 0; begin + seqlen <= Count(windows.ids); begin += seqlen) {
    windows.list.push_back({begin, seqlen, scored, 0});
  }
  return windows;
}

}  // namespace

std::int64_t TokensOf(const TokenWindows& windows) {
  std::int64_t tokens = 0;
  for (const TokenWindow& window : windows.list) tokens += window.length;
  return tokens;
}

TokenWindows DisjointWindows(std::vector<std::int32_t> ids, std::int64_t seqlen) {
  return CutEvenly(std::move(ids), seqlen, seqlen - 1);
}

TokenWindows SlidingWindows(std::vector<std::int32_t> ids, std::int64_t seqlen,
                            std::int64_t stride) {
  ROUNDLAB_CHECK(0 < stride && stride <= seqlen, "windows must touch");
  TokenWindows windows;
  windows.ids = std::move(ids);
  const std::int64_t count = Count(windows.ids);
  for (std::int64_t begin = 0, reached = 0; reached < count; begin += stride) {
    const std::int64_t length = std::min(seqlen, count - begin);
    const std::int64_t scored = std::min(begin + length - reached, length - 1);
    if (scored > 0) windows.list.push_back({begin, length, scored, 0});
    reached = begin + length;
  }
  return windows;
}

TokenWindows SecondHalfWindows(std::vector<std::int32_t> ids, std::int64_t seqlen,
                               std::optional<std::int32_t> bos) {
  TokenWindows windows = CutEvenly(std::move(ids), seqlen, seqlen - 1 - seqlen / 2);
  windows.first = bos;
  return windows;
}

TokenWindows RollingWindows(const std::vector<std::vector<std::int32_t>>& documents,
                            std::int32_t prefix, std::int64_t seqlen) {
  TokenWindows windows;
  windows.feeds_last = false;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    windows.ids.push_back(prefix);
    const std::int64_t start = Count(windows.ids);
    windows.ids.insert(windows.ids.end(), documents[i].begin(), documents[i].end());
    const std::int64_t count = Count(documents[i]);
    for (std::int64_t done = 0; done < count; done += seqlen) {
      const std::int64_t scored = std::min(seqlen, count - done);
      const std::int64_t length = done == 0 ? scored + 1 : seqlen + 1;
      const std::int64_t end = start + done + scored;
      windows.list.push_back({end - length, length, scored, static_cast<std::int64_t>(i)});
    }
  }
  return windows;
}

ContextSeen ContextOf(const std::vector<TokenWindow>& windows) {
  ROUNDLAB_CHECK(!windows.empty(), "no window");
  ContextSeen seen{windows.front().length, 0};
  double sum = 0;
  double tokens = 0;
  for (const TokenWindow& window : windows) {
    const std::int64_t least = window.length - window.scored;
    seen.least = std::min(seen.least, least);
    // The mean of least, least + 1, ..., length - 1, as often as there are tokens.
    sum += static_cast<double>(window.scored) * static_cast<double>(least + window.length - 1) / 2;
    tokens += static_cast<double>(window.scored);
  }
  seen.mean = sum / tokens;
  return seen;
}

}  // namespace roundlab
