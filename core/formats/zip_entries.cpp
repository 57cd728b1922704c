#include "core/formats/zip_entries.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kEntryHere = 0x04034b50;     // before an entry's data
constexpr std::uint32_t kEntryListed = 0x02014b50;   // in the directory
constexpr std::uint32_t kEnd = 0x06054b50;           // of the archive
constexpr std::uint32_t kEnd64Locator = 0x07064b50;  // just before it
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kListedSize = 46;
constexpr std::size_t kHereSize = 30;
constexpr std::size_t kLongestComment = 0xffff;
constexpr std::uint32_t kIn64 = 0xffffffff;  // the number is in the zip64 record

class Archive {
 public:
  explicit Archive(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

  [[noreturn]] void Fail(const std::string& what) const { throw Error(file_.path() + ": " + what); }

  Bytes Part(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) {
      Fail("broken zip archive: a record at byte " + std::to_string(at) + " of " +
           std::to_string(size) + " bytes, but the file has " + std::to_string(bytes_.size()));
    }
    return bytes_.subspan(at, size);
  }

  template <class T>
  T Number(std::uint64_t at) const {
    T value = 0;
    std::memcpy(&value, Part(at, sizeof value).data(), sizeof value);
    return value;
  }

  std::string Text(std::uint64_t at, std::uint64_t size) const {
    const Bytes part = Part(at, size);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  std::size_t size() const { return bytes_.size(); }

 private:
  const MappedFile& file_;
  Bytes bytes_;
};

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t begin = 0;
};

std::uint64_t FindEnd(const Archive& zip) {
  constexpr std::size_t kFurthest = kEndSize + kLongestComment;
  const std::uint64_t first = zip.size() > kFurthest ? zip.size() - kFurthest : 0;
  for (std::uint64_t at = zip.size() - std::min(zip.size(), kEndSize) + 1; at-- > first;) {
    if (zip.size() - at >= kEndSize && zip.Number<std::uint32_t>(at) == kEnd &&
        zip.Number<std::uint16_t>(at + 20) == zip.size() - at - kEndSize) {
      return at;
    }
  }
  const auto begins = [&](std::string_view text) {
    return zip.size() >= text.size() && zip.Text(0, text.size()) == text;
  };
  if (begins("PK")) zip.Fail("cut off: a zip archive without its end");
  if (begins("\x80\x02")) zip.Fail("of torch.save before version 1.6: load it and save it again");
  if (begins("version https://git-lfs")) zip.Fail("a pointer of Git LFS, not the file itself");
  zip.Fail("not a zip archive, as torch.save writes since version 1.6");
}

Directory ReadEnd(const Archive& zip) {
  const std::uint64_t end = FindEnd(zip);
  if (end >= kLocatorSize && zip.Number<std::uint32_t>(end - kLocatorSize) == kEnd64Locator) {
    const auto at = zip.Number<std::uint64_t>(end - kLocatorSize + 8);
    zip.Part(at, 56);
    if (zip.Number<std::uint32_t>(at) != kEnd64) zip.Fail("broken zip archive: no zip64 record");
    return {zip.Number<std::uint64_t>(at + 32), zip.Number<std::uint64_t>(at + 48)};
  }
  return {zip.Number<std::uint16_t>(end + 10), zip.Number<std::uint32_t>(end + 16)};
}

struct Listed {
  std::string name;
  std::uint64_t stored = 0;  // bytes
  std::uint64_t full = 0;
  std::uint64_t header = 0;  // where it begins
};

/// Those of the three numbers that are too large for 32 bits, in this order.
void ReadZip64(const Archive& zip, std::uint64_t at, std::uint64_t size, Listed* entry) {
  for (const std::uint64_t end = at + size; at + 4 <= end;) {
    const auto id = zip.Number<std::uint16_t>(at);
    const auto length = zip.Number<std::uint16_t>(at + 2);
    at += 4;
    if (id == 1) {
      std::uint64_t next = at;
      for (std::uint64_t* number : {&entry->full, &entry->stored, &entry->header}) {
        if (*number != kIn64) continue;
        if (next + 8 > at + length) zip.Fail("entry '" + entry->name + "': no zip64 number");
        *number = zip.Number<std::uint64_t>(next);
        next += 8;
      }
      return;
    }
    at += length;
  }
}

Bytes DataOf(const Archive& zip, const Listed& entry) {
  if (zip.Number<std::uint32_t>(entry.header) != kEntryHere) {
    zip.Fail("broken zip archive: entry '" + entry.name + "' is not where the directory says");
  }
  zip.Part(entry.header, kHereSize);
  const std::uint64_t name = zip.Number<std::uint16_t>(entry.header + 26);
  const std::uint64_t extra = zip.Number<std::uint16_t>(entry.header + 28);
  return zip.Part(entry.header + kHereSize + name + extra, entry.stored);
}

/// The entry listed at `*at`, which is left behind it.
std::pair<std::string, Bytes> ReadListed(const Archive& zip, std::uint64_t* at) {
  const std::uint64_t begin = *at;
  zip.Part(begin, kListedSize);
  if (zip.Number<std::uint32_t>(begin) != kEntryListed) {
    zip.Fail("broken zip archive: no entry at byte " + std::to_string(begin));
  }
  const auto flags = zip.Number<std::uint16_t>(begin + 8);
  const auto method = zip.Number<std::uint16_t>(begin + 10);
  const std::uint64_t name = zip.Number<std::uint16_t>(begin + 28);
  const std::uint64_t extra = zip.Number<std::uint16_t>(begin + 30);
  const std::uint64_t comment = zip.Number<std::uint16_t>(begin + 32);
  Listed entry{zip.Text(begin + kListedSize, name), zip.Number<std::uint32_t>(begin + 20),
               zip.Number<std::uint32_t>(begin + 24), zip.Number<std::uint32_t>(begin + 42)};
  ReadZip64(zip, begin + kListedSize + name, extra, &entry);
  if ((flags & 1U) != 0) zip.Fail("entry '" + entry.name + "' is encrypted");
  if (method != 0 || entry.stored != entry.full) {
    zip.Fail("entry '" + entry.name + "' is compressed; expected as torch.save writes it");
  }
  *at = begin + kListedSize + name + extra + comment;
  return {entry.name, DataOf(zip, entry)};
}

}  // namespace

std::map<std::string, std::span<const std::byte>> ZipEntries(const MappedFile& file) {
  const Archive zip(file);
  const Directory directory = ReadEnd(zip);
  std::map<std::string, Bytes> entries;
  std::uint64_t at = directory.begin;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    auto [name, data] = ReadListed(zip, &at);
    if (!entries.emplace(name, data).second) zip.Fail("has entry '" + name + "' twice");
  }
  return entries;
}

}  // namespace roundlab
