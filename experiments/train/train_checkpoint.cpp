#include "experiments/train/train_checkpoint.h"

#include <ATen/ATen.h>
#include <torch/serialize/archive.h>

#include <filesystem>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"

namespace roundlab {
namespace {

std::string Trim(std::string_view line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first == std::string_view::npos ? "" : std::string(line.substr(first));
}

}  // namespace

std::string FirstDifference(const std::string& there, const std::string& here) {
  const auto a = Lines(there);
  const auto b = Lines(here);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string left = i < a.size() ? Trim(a[i]) : "nothing";
    const std::string right = i < b.size() ? Trim(b[i]) : "nothing";
    if (left != right) return left + ", here " + right;
  }
  return "nothing";
}

void TrainCheckpoint::Save(std::int64_t step, const TrainableModel& model,
                           const torch::optim::Optimizer& optimizer,
                           const RunRecord& record) const {
  torch::serialize::OutputArchive archive;
  archive.write("made_of", c10::IValue(made_of_));
  archive.write("step", c10::IValue(step));
  archive.write("record", c10::IValue(record.Serialize()));
  const auto& parameters = model.Parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    archive.write("weight_" + std::to_string(i), parameters[i].second.detach());
  }
  torch::serialize::OutputArchive state;
  optimizer.save(state);
  archive.write("optimizer", state);
  std::ostringstream out;
  archive.save_to(out);
  WriteFileAtomically(file_, out.str());
}

std::int64_t TrainCheckpoint::Load(const TrainableModel& model, torch::optim::Optimizer* optimizer,
                                   RunRecord* record) const {
  if (!std::filesystem::exists(file_)) return 0;
  std::istringstream in(ReadFile(file_));
  try {
    torch::serialize::InputArchive archive;
    archive.load_from(in);
    c10::IValue value;
    archive.read("made_of", value);
    if (value.toStringRef() != made_of_) {
      throw Error(file_ + ": belongs to another training (" +
                  FirstDifference(value.toStringRef(), made_of_) +
                  "); give another --out or remove the folder");
    }
    archive.read("record", value);
    *record = RunRecord::Parse(value.toStringRef(), file_);
    const at::NoGradGuard no_grad;
    const auto& parameters = model.Parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      at::Tensor stored;
      archive.read("weight_" + std::to_string(i), stored);
      at::Tensor weight = parameters[i].second;
      weight.copy_(stored);
    }
    torch::serialize::InputArchive state;
    archive.read("optimizer", state);
    optimizer->load(state);
    archive.read("step", value);
    return value.toInt();
  } catch (const c10::Error&) {
    throw Error(file_ + ": broken; remove it to train from the start");
  }
}

}  // namespace roundlab
