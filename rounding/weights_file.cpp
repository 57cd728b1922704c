#include "rounding/weights_file.h"

#include <ATen/ATen.h>

#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/formats/safetensors.h"

namespace roundlab {
namespace {

constexpr const char* kSpec = "spec ";            // in front of a layer's name in the metadata
constexpr const char* kTensor = "tensor ";        // in front of a changed tensor's name
constexpr const char* kQuantizer = "quantizer ";  // in front of a quantizer's name
constexpr const char* kParts = ".activations.";   // between its name and those of its parts
constexpr const char* kAbout = "about ";          // in front of a key of StoredWeights::about

ElementType StoredType(at::ScalarType type) {
  if (type == at::kByte) return ElementType::kU8;
  if (type == at::kInt) return ElementType::kI32;
  ROUNDLAB_CHECK(type == at::kFloat, "a part of an unknown dtype");
  return ElementType::kF32;
}

at::Tensor ReadPart(const TensorView& view, at::ScalarType dtype) {
  if (view.type != StoredType(dtype)) {
    throw Error(view.file + ": tensor '" + view.name + "' has another type than it should");
  }
  at::Tensor tensor = at::empty(view.shape, dtype);
  std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

bool HasShape(const at::Tensor& t, std::vector<std::int64_t> shape) {
  return t.defined() && t.sizes() == at::IntArrayRef(shape);
}

/// The same of a basis, or "".
std::string BasisProblem(const QuantizedWeight& w) {
  if (!w.row_signs.defined() && !w.column_signs.defined() && !w.column_scale.defined()) return "";
  const bool scaled = !w.column_scale.defined() || HasShape(w.column_scale, {w.Columns()});
  if (HasShape(w.row_signs, {w.Rows()}) && HasShape(w.column_signs, {w.Columns()}) && scaled) {
    return "";
  }
  return "signs or column scales have another shape than the weight";
}

/// The same of low-rank pairs.
std::string PairProblem(const QuantizedWeight& w) {
  const auto fits = [&](const at::Tensor& left, const at::Tensor& right) {
    if (!left.defined() && !right.defined()) return true;
    const std::int64_t rank = left.defined() && left.dim() == 2 ? left.size(1) : 0;
    return HasShape(left, {w.Rows(), rank}) && HasShape(right, {rank, w.Columns()});
  };
  const std::int64_t rank = w.left_codes.defined() ? w.left_codes.size(-1) : 0;
  const bool scaled = !w.left_codes.defined() || HasShape(w.pair_scale, {rank});
  return fits(w.left, w.right) && fits(w.left_codes, w.right_codes) && scaled
             ? ""
             : "the low-rank pair does not fit the weight";
}

/// Whether all places [n] lie in 0 .. end - 1.
bool Inside(const at::Tensor& places, std::int64_t end) {
  return places.dim() == 1 && at::logical_and(places >= 0, places < end).all().item<bool>();
}

/// Whether n places inside come with values [shape, n], or neither is there.
bool Kept(const at::Tensor& places, std::int64_t end, const at::Tensor& values,
          std::vector<std::int64_t> shape) {
  if (!places.defined()) return !values.defined();
  shape.push_back(places.numel());
  return Inside(places, end) && HasShape(values, std::move(shape));
}

/// The same of what stands beside the codes.
std::string BesideProblem(const QuantizedWeight& w) {
  if (!Kept(w.outlier_index, w.Rows() * w.Columns(), w.outlier_value, {})) {
    return "weights that are kept apart do not fit the weight";
  }
  if (!Kept(w.kept_columns, w.Columns(), w.kept_values, {w.Rows()})) {
    return "columns that are kept apart do not fit the weight";
  }
  if (w.bias.defined() && !HasShape(w.bias, {w.Rows()}))
    return "bias has another length than the rows";
  return "";
}

/// What does not fit together in a weight, or "".
std::string ShapeProblem(const QuantizedWeight& w) {
  const bool additive = w.codebooks.defined();
  if (additive && (w.codebooks.dim() != 3 || w.codebooks.numel() == 0)) {
    return "codebooks are no list of matrices";
  }
  if (additive && (w.codes.dim() != 3 || w.codes.size(2) != w.codebooks.size(0))) {
    return "codes have another shape than their codebooks";
  }
  if ((!additive && w.codes.dim() != 2) || w.codes.numel() == 0) return "codes are no matrix";
  if (w.codes.max().item<std::int64_t>() >= w.CodeCount()) {
    return additive ? "a code is beyond its codebook" : "a code is above 2^bits - 1";
  }
  for (const std::string& problem : {BasisProblem(w), PairProblem(w), BesideProblem(w)}) {
    if (!problem.empty()) return problem;
  }
  if (additive) {
    return HasShape(w.scale, {w.Rows(), 1}) ? "" : "scale has another shape than the rows";
  }
  if (w.spec.axis == 0 && w.spec.group_size > 0 && w.codes.numel() % w.spec.group_size != 0) {
    return "groups do not fill the matrix";
  }
  const GroupLayout layout = w.Layout();
  const std::vector<std::int64_t> groups = {layout.scale_rows, layout.per_row};
  if (w.codebook.defined()) {
    return HasShape(w.codebook, {w.Rows(), w.CodeCount()}) ? ""
                                                           : "codebook is not 2^bits values a row";
  }
  if (w.scale.sizes() != at::IntArrayRef(groups)) return "scale has another shape than its groups";
  if (w.zero.sizes() != w.scale.sizes()) return "zero has another shape than scale";
  if (w.g_idx.defined() && !(HasShape(w.g_idx, {w.Columns()}) && Inside(w.g_idx, layout.per_row))) {
    return "g_idx is not a group for each column";
  }
  if (w.exponent.defined() && (w.exponent.numel() != 1 || !(w.exponent.item<double>() > 0))) {
    return "the exponent is no number above 0";
  }
  return "";
}

std::map<std::string, std::string> AboutOf(const SafetensorsFile& file) {
  std::map<std::string, std::string> about;
  for (const auto& [key, text] : file.metadata()) {
    if (key.starts_with(kAbout)) about[key.substr(std::strlen(kAbout))] = text;
  }
  return about;
}

TensorToWrite Written(const std::string& name, const at::Tensor& t) {
  ROUNDLAB_CHECK(t.is_contiguous() && t.scalar_type() == at::kFloat, "float32");
  return {name,
          ElementType::kF32,
          t.sizes().vec(),
          {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()}};
}

ActivationQuantizer ReadQuantizer(const SafetensorsFile& file, const std::string& name,
                                  const std::string& text, const std::string& place) {
  ActivationQuantizer quantizer;
  quantizer.spec = ReadActivationSpec(text, place);
  for (const ActivationQuantizer::Part& part : quantizer.Parts()) {
    const TensorView* view = file.Find(name + kParts + part.name);
    if (view != nullptr) *part.tensor = ReadPart(*view, at::kFloat);
  }
  const at::Tensor& scale = quantizer.scale;
  const at::Tensor& zero = quantizer.zero;
  if (scale.defined() != zero.defined() ||
      (scale.defined() && (scale.dim() != 2 || scale.sizes() != zero.sizes()))) {
    throw Error(place + ": scale and zero point of its range do not fit together");
  }
  const at::Tensor& border = quantizer.border;
  if (border.defined() && (!scale.defined() || border.dim() != 2 || border.size(0) != 3)) {
    throw Error(place + ": its border is not three numbers a channel of static ranges");
  }
  return quantizer;
}

}  // namespace

void SaveWeights(const std::string& path, const StoredWeights& weights) {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : weights.about) metadata[kAbout + key] = text;
  for (const auto& [name, tensor] : weights.tensors) {
    metadata[kTensor + name] = "float32";
    tensors.push_back(Written(name, tensor));
  }
  for (const auto& [name, quantizer] : weights.quantizers) {
    metadata[kQuantizer + name] = SpecText(quantizer.spec);
    ActivationQuantizer all = quantizer;
    for (const ActivationQuantizer::Part& part : all.Parts()) {
      if (part.tensor->defined())
        tensors.push_back(Written(name + kParts + part.name, *part.tensor));
    }
  }
  for (const auto& [name, weight] : weights.layers) {
    metadata[kSpec + name] = SpecText(weight.spec);
    QuantizedWeight all = weight;
    for (const QuantizedWeight::Part& part : all.Parts()) {
      if (!part.tensor->defined()) continue;
      const at::Tensor& t = *part.tensor;
      ROUNDLAB_CHECK(t.is_contiguous() && t.scalar_type() == part.dtype, "a part as it is stored");
      tensors.push_back({name + "." + part.name,
                         StoredType(part.dtype),
                         t.sizes().vec(),
                         {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()}});
    }
  }
  WriteSafetensors(path, tensors, metadata);
}

std::map<std::string, std::string> LoadAbout(const std::string& path) {
  return AboutOf(SafetensorsFile(path));
}

StoredWeights LoadWeights(const std::string& path) {
  const SafetensorsFile file(path);
  StoredWeights stored;
  stored.about = AboutOf(file);
  for (const auto& [key, text] : file.metadata()) {
    if (key.starts_with(kTensor)) {
      const std::string name = key.substr(std::strlen(kTensor));
      const TensorView* view = file.Find(name);
      if (view == nullptr) throw Error(path + ": tensor '" + name + "' is missing");
      stored.tensors[name] = ReadPart(*view, at::kFloat);
    }
    if (key.starts_with(kQuantizer)) {
      const std::string name = key.substr(std::strlen(kQuantizer));
      const std::string place = path + ": quantizer '" + name + "'";
      stored.quantizers[name] = ReadQuantizer(file, name, text, place);
    }
    if (!key.starts_with(kSpec)) continue;
    const std::string name = key.substr(std::strlen(kSpec));
    const std::string place = path + ": layer '" + name + "'";
    QuantizedWeight weight;
    weight.spec = ReadQuantSpec(text, place);
    for (const QuantizedWeight::Part& part : weight.Parts()) {
      const std::string stored_name = name + "." + part.name;
      const TensorView* view = file.Find(stored_name);
      // A bias may be the model's own, which a transform has changed.
      const bool own = file.metadata().count(kTensor + stored_name) > 0;
      if (view != nullptr && !own) *part.tensor = ReadPart(*view, part.dtype);
    }
    if (!weight.codes.defined()) throw Error(place + " has no codes");
    if (!weight.codebook.defined() && !weight.codebooks.defined() &&
        (!weight.scale.defined() || !weight.zero.defined())) {
      throw Error(place + " has neither scale and zero nor a codebook");
    }
    const std::string problem = ShapeProblem(weight);
    if (!problem.empty()) throw Error(place + ": " + problem);
    stored.layers.emplace(name, std::move(weight));
  }
  return stored;
}

}  // namespace roundlab
