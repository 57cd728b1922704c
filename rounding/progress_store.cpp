#include "rounding/progress_store.h"

#include <ATen/ATen.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/model/stored_tensor.h"
#include "rounding/weights_file.h"

namespace roundlab {
namespace {

/// In the file's own memory.
at::Tensor ReadChain(const std::shared_ptr<const SafetensorsFile>& file, const char* name) {
  const TensorView* view = file->Find(name);
  if (view == nullptr) return {};
  return at::from_blob(
      const_cast<std::byte*>(view->bytes.data()), view->shape, [file](void* /*data*/) {},
      DtypeOf(*view));
}

}  // namespace

ProgressStore::ProgressStore(std::string folder, const SavePace& pace)
    : folder_(std::move(folder)), pace_(pace) {
  if (!folder_.empty()) MakeFolder(folder_);
}

std::string ProgressStore::File(const char* kind, std::int64_t unit) const {
  return folder_ + "/" + kind + "_" + std::to_string(unit);
}

template <class Read>
auto ProgressStore::Kept(const Read& read) const {
  try {
    return read();
  } catch (const Error& e) {
    throw Error(std::string(e.what()) + "; remove " + folder_ + " to begin anew");
  }
}

ProgressStore::State ProgressStore::Load() const {
  State state;
  if (folder_.empty()) return state;
  const auto there = [this](const char* kind, std::int64_t unit) {
    return std::filesystem::exists(File(kind, unit));
  };
  while (there("record", state.finished)) ++state.finished;
  while (state.finished > 0 && !there("chains", state.finished - 1)) --state.finished;
  if (state.finished == 0) return state;
  return Kept([&] {
    const auto chains = std::make_shared<const SafetensorsFile>(File("chains", state.finished - 1));
    CheckContent(*chains);
    state.fp_chain = ReadChain(chains, "fp");
    state.q_chain = ReadChain(chains, "q");
    return state;
  });
}

StoredWeights ProgressStore::Weights(std::int64_t unit) const {
  return Kept([&] { return LoadWeights(File("weights", unit)); });
}

RunRecord ProgressStore::Record(std::int64_t unit) const {
  const std::string file = File("record", unit);
  return Kept([&] { return RunRecord::Parse(ReadFile(file), file); });
}

void ProgressStore::Save(std::int64_t unit, const StoredWeights& weights, const RunRecord& record,
                         const at::Tensor& fp_chain, const at::Tensor& q_chain) {
  if (folder_.empty()) return;
  waiting_.push_back({unit, weights, record.Serialize()});
  const auto bytes = [](const at::Tensor& t) { return t.defined() ? t.nbytes() : 0; };
  if (TooEarly(static_cast<double>(bytes(fp_chain) + bytes(q_chain)))) return;
  const Clock::time_point start = Clock::now();
  std::vector<TensorToWrite> chains;
  const at::Tensor fp = fp_chain.defined() ? fp_chain.cpu() : fp_chain;
  const at::Tensor q = q_chain.defined() ? q_chain.cpu() : q_chain;
  for (const auto& [name, chain] : {std::pair{"fp", fp}, std::pair{"q", q}}) {
    if (chain.defined()) chains.push_back(Stored(name, chain));
  }
  WriteHashed(File("chains", unit), chains);
  for (const Waiting& one : waiting_) SaveWeights(File("weights", one.unit), one.weights);
  for (const Waiting& one : waiting_) WriteFileAtomically(File("record", one.unit), one.record);
  std::error_code none;
  // Also those that an earlier process has left.
  for (std::int64_t old = waiting_.front().unit - 1; old < unit; ++old) {
    std::filesystem::remove(File("chains", old), none);
  }
  waiting_.clear();
  written_ = Clock::now();
  took_ = std::chrono::duration<double>(written_ - start).count();
}

bool ProgressStore::TooEarly(double bytes) const {
  const double since = std::chrono::duration<double>(Clock::now() - written_).count();
  const double takes = took_.value_or(bytes / pace_.bytes_a_second);
  return takes >= pace_.always_below && since < pace_.times * takes;
}

FisherDiagonal ProgressStore::Fisher() const {
  const std::string file = folder_ + "/fisher";
  if (folder_.empty() || !std::filesystem::exists(file)) return {};
  return Kept([&] { return LoadWeights(file).tensors; });
}

void ProgressStore::SaveFisher(const FisherDiagonal& fisher) {
  if (!folder_.empty()) SaveWeights(folder_ + "/fisher", {{}, fisher, {}});
}

std::optional<RunRecord> ProgressStore::Budget() const {
  const std::string file = folder_ + "/budget";
  if (folder_.empty() || !std::filesystem::exists(file)) return std::nullopt;
  return Kept([&] { return RunRecord::Parse(ReadFile(file), file); });
}

void ProgressStore::SaveBudget(const RunRecord& budget) {
  if (!folder_.empty()) WriteFileAtomically(folder_ + "/budget", budget.Serialize());
}

}  // namespace roundlab
