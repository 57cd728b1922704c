#include "core/metrics/tensorboard_file.h"

#include <bit>
#include <boost/crc.hpp>
#include <cstdio>
#include <filesystem>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr const char* kPrefix = "events.out.tfevents.";

// Field numbers and types of TensorFlow's event.proto and summary.proto, as protobuf keys:
// number << 3 | type.
enum Key : std::uint8_t {
  kWallTime = 1 << 3 | 1,     // double
  kStep = 2 << 3 | 0,         // varint
  kFileVersion = 3 << 3 | 2,  // string
  kSummary = 5 << 3 | 2,      // message
  kSessionLog = 7 << 3 | 2,   // message
  kSessionStatus = 1 << 3 | 0,
  kSummaryValue = 1 << 3 | 2,
  kTag = 1 << 3 | 2,
  kSimpleValue = 2 << 3 | 5,  // float
};
constexpr std::uint64_t kSessionStart = 1;

template <class T>
void PutLittleEndian(T bits, std::string* out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>((bits >> (8 * i)) & 0xFFU));
  }
}

void PutVarint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>((value & 0x7FU) | 0x80U));
  out->push_back(static_cast<char>(value));
}

void PutBytes(Key key, std::string_view bytes, std::string* out) {
  out->push_back(static_cast<char>(key));
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

double SecondsSinceEpoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// An event with its time, framed as a TFRecord: length, checksum of it, event, checksum of it.
void PutEvent(std::string_view rest, std::string* out) {
  std::string event(1, static_cast<char>(kWallTime));
  PutLittleEndian(std::bit_cast<std::uint64_t>(SecondsSinceEpoch()), &event);
  event.append(rest);
  std::string length;
  PutLittleEndian(std::uint64_t{event.size()}, &length);
  out->append(length);
  PutLittleEndian(MaskedCrc32c(length), out);
  out->append(event);
  PutLittleEndian(MaskedCrc32c(event), out);
}

std::string Header() {
  std::string version;
  PutBytes(kFileVersion, "brain.Event:2", &version);
  std::string session(1, static_cast<char>(kSessionStatus));
  PutVarint(kSessionStart, &session);
  std::string start;
  PutBytes(kSessionLog, session, &start);
  std::string header;
  PutEvent(version, &header);
  PutEvent(start, &header);
  return header;
}

}  // namespace

std::uint32_t MaskedCrc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return std::rotr(static_cast<std::uint32_t>(crc.checksum()), 15) + 0xa282ead8U;
}

TensorBoardFile::TensorBoardFile(const std::string& folder)
    : folder_(folder), flushed_(std::chrono::steady_clock::now()) {
  try {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind(kPrefix, 0) == 0) std::filesystem::resize_file(entry.path(), 0);
    }
  } catch (const std::filesystem::filesystem_error& e) {
    throw Error(folder + ": cannot empty its event files: " + e.code().message());
  }
}

TensorBoardFile::~TensorBoardFile() {
  if (!pending_.empty()) file_ << pending_ << std::flush;
}

void TensorBoardFile::Open() {
  // TensorBoard reads the files of a folder in order of their names.
  char time[32];
  std::snprintf(time, sizeof(time), "%017.6f", SecondsSinceEpoch());
  path_ = folder_ + "/" + kPrefix + time + ".roundlab";
  file_.open(path_, std::ios::binary | std::ios::trunc);
  pending_ = Header();
}

void TensorBoardFile::Record(std::string_view series, std::int64_t step, double value) {
  if (path_.empty()) Open();
  std::string sample;
  PutBytes(kTag, series, &sample);
  sample.push_back(static_cast<char>(kSimpleValue));
  PutLittleEndian(std::bit_cast<std::uint32_t>(static_cast<float>(value)), &sample);
  std::string summary;
  PutBytes(kSummaryValue, sample, &summary);
  std::string event(1, static_cast<char>(kStep));
  PutVarint(static_cast<std::uint64_t>(step), &event);
  PutBytes(kSummary, summary, &event);
  PutEvent(event, &pending_);
  const auto now = std::chrono::steady_clock::now();
  if (now - flushed_ < std::chrono::seconds(1)) return;
  flushed_ = now;
  Flush();
}

void TensorBoardFile::Flush() {
  if (pending_.empty()) return;
  file_ << pending_ << std::flush;
  if (!file_) throw Error(path_ + ": cannot write");
  pending_.clear();
}

}  // namespace roundlab
