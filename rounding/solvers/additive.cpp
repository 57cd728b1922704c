#include "rounding/solvers/additive.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// Nearest center of each point: the largest x c - |c|^2 / 2.
at::Tensor NearestCenters(const at::Tensor& points, const at::Tensor& centers) {
  const at::Tensor half = centers.square().sum(1) * -0.5;
  return at::addmm(half, points, centers.t()).argmax(1);
}

at::Tensor MeansOf(const at::Tensor& points, const at::Tensor& labels, const at::Tensor& centers) {
  const at::TensorOptions wide = points.options().dtype(at::kDouble);
  const at::Tensor place = labels.unsqueeze(1).expand(points.sizes());
  const at::Tensor sum =
      at::zeros(centers.sizes(), wide).scatter_add_(0, place, points.to(at::kDouble));
  const at::Tensor count = at::bincount(labels, {}, centers.size(0)).unsqueeze(1);
  return at::where(count > 0, (sum / count).to(centers.scalar_type()), centers);
}

/// Hypotheses of all rows: of each, its codes and what it leaves of the weight.
struct Beam {
  at::Tensor codes;  // [k, out, groups, n]
  at::Tensor left;   // [k, out, in]
  at::Tensor loss;   // [k, out]
};

class OutputSearch {
 public:
  OutputSearch(const at::Tensor& weight, const at::Tensor& moment, const AdditiveCode& from,
               std::int64_t beam)
      : weight_(weight),
        moment_(moment),
        code_(from),
        width_(from.codebooks.size(2)),
        out_(weight.size(0)),
        beam_(beam) {
    const at::Tensor left = weight - from.Decode();
    hypotheses_ = {from.codes.unsqueeze(0).clone(), left.unsqueeze(0),
                   (at::mm(left, moment) * left).sum(1).unsqueeze(0)};
  }

  at::Tensor Run(const SearchOrder& order) {
    for (const std::int64_t group : order.groups(code_.codes.size(1))) {
      for (const std::int64_t book : order.codebooks(code_.codebooks.size(0))) {
        Look(group, book);
      }
    }
    const at::Tensor best = hypotheses_.loss.argmin(0);
    return hypotheses_.codes.index({best, at::arange(out_)}).contiguous();
  }

 private:
  at::Tensor Columns(const at::Tensor& matrix, std::int64_t group) const {
    return matrix.narrow(-1, group * width_, width_);
  }

  /// Losses [k, size, out] of every code of one codebook in one group in place of the present one.
  at::Tensor Losses(std::int64_t group, std::int64_t book) const {
    const at::Tensor vectors = code_.codebooks[book];
    const at::Tensor scale = code_.scales.unsqueeze(1);
    const at::Tensor inner = Columns(moment_.narrow(0, group * width_, width_), group);
    const at::Tensor old = hypotheses_.codes.select(2, group).select(2, book);  // [k, out]
    const at::Tensor before =
        vectors.index_select(0, old.flatten()).view({old.size(0), out_, width_});
    // Of what is left without the present vector: [k, out, d].
    const at::Tensor pull = (at::matmul(hypotheses_.left, Columns(moment_, group)) +
                             at::matmul(before * scale, inner)) *
                            scale;
    const at::Tensor gain = at::matmul(pull, vectors.t()) - (pull * before).sum(2, true);
    const at::Tensor size_new = (at::mm(vectors, inner) * vectors).sum(1);
    const at::Tensor size_old = (at::matmul(before, inner) * before).sum(2);
    const at::Tensor square = scale.square();  // [out, 1]
    const at::Tensor kept = hypotheses_.loss - size_old * square.squeeze(1);
    return (kept.unsqueeze(2) - 2 * gain + square * size_new).transpose(1, 2);
  }

  void Look(std::int64_t group, std::int64_t book) {
    const at::Tensor losses = Losses(group, book);
    const std::int64_t size = losses.size(1);
    const at::Tensor flat = losses.reshape({-1, out_});
    const std::int64_t keep = std::min(beam_, flat.size(0));
    const auto [best, place] = flat.topk(keep, 0, false);
    if (flat.size(0) > size || keep > 1) {
      const at::Tensor source = place.div(size, "floor");
      const at::Tensor rows = at::arange(out_).expand_as(source);
      hypotheses_.codes = hypotheses_.codes.index({source, rows});
      hypotheses_.left = hypotheses_.left.index({source, rows});
    }
    hypotheses_.loss = best;
    hypotheses_.codes.select(2, group).select(2, book).copy_(place.remainder(size));
    Columns(hypotheses_.left, group)
        .copy_(Columns(weight_, group) - Decoded(hypotheses_.codes, group));
  }

  /// One group of each hypothesis: [k, out, width].
  at::Tensor Decoded(const at::Tensor& codes, std::int64_t group) const {
    at::Tensor sum;
    for (std::int64_t b = 0; b < code_.codebooks.size(0); ++b) {
      const at::Tensor place = codes.select(2, group).select(2, b);
      const at::Tensor vectors = code_.codebooks[b].index_select(0, place.flatten());
      sum = sum.defined() ? sum + vectors : vectors;
    }
    return sum.view({codes.size(0), out_, width_}) * code_.scales.unsqueeze(1);
  }

  const at::Tensor weight_;
  const at::Tensor moment_;
  const AdditiveCode& code_;
  const std::int64_t width_;
  const std::int64_t out_;
  const std::int64_t beam_;
  Beam hypotheses_;
};

std::vector<std::int64_t> Counted(std::int64_t count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return all;
}

}  // namespace

at::Tensor AdditiveCode::Decode() const {
  at::Tensor sum;
  for (std::int64_t i = 0; i < codebooks.size(0); ++i) {
    const at::Tensor vectors = codebooks[i].index_select(0, codes.select(2, i).flatten());
    sum = sum.defined() ? sum + vectors : vectors;
  }
  return sum.reshape({codes.size(0), -1}) * scales.unsqueeze(1);
}

at::Tensor VectorClusters(const at::Tensor& points, const at::Tensor& centers,
                          std::int64_t iterations) {
  constexpr std::int64_t kLookEvery = 10;
  at::Tensor now = centers.clone();
  for (std::int64_t i = 0; i < iterations; ++i) {
    at::Tensor next = MeansOf(points, NearestCenters(points, now), now);
    if (i % kLookEvery == 0 && at::allclose(next, now, 1e-6, 1e-8)) break;
    now = std::move(next);
  }
  return now;
}

AdditiveCode ResidualClusters(const at::Tensor& weight, const AdditiveShape& shape,
                              const std::function<at::Tensor(std::int64_t)>& start,
                              std::int64_t iterations) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(weight.size(1) % shape.width == 0, "groups that fill a row");
  AdditiveCode code;
  code.scales = weight.norm(2, {1}) + 1e-9;
  at::Tensor left = (weight / code.scales.unsqueeze(1)).reshape({-1, shape.width});
  std::vector<at::Tensor> codes;
  std::vector<at::Tensor> books;
  for (std::int64_t i = 0; i < shape.count; ++i) {
    const at::Tensor book = VectorClusters(left, left.index_select(0, start(i)), iterations);
    const at::Tensor labels = NearestCenters(left, book);
    left = left - book.index_select(0, labels);
    codes.push_back(labels.view({weight.size(0), -1}));
    books.push_back(book);
  }
  code.codes = at::stack(codes, 2).contiguous();
  code.codebooks = at::stack(books);
  return code;
}

SearchOrder NaturalOrder() { return {Counted, Counted}; }

at::Tensor SearchWeights(const at::Tensor& weight, const AdditiveCode& from, std::int64_t beam) {
  const at::NoGradGuard no_grad;
  const std::int64_t count = from.codebooks.size(0);
  const std::int64_t width = from.codebooks.size(2);
  const at::Tensor wanted = (weight / from.scales.unsqueeze(1)).reshape({-1, 1, width});
  const std::int64_t groups = wanted.size(0);
  at::Tensor codes = from.codes.reshape({groups, 1, count});
  const auto part = [&](std::int64_t book) {
    const at::Tensor place = codes.select(2, book);
    return from.codebooks[book]
        .index_select(0, place.flatten())
        .view({groups, codes.size(1), width});
  };
  for (std::int64_t book = 0; book < count; ++book) {
    at::Tensor left = wanted;
    for (std::int64_t other = 0; other < count; ++other) {
      if (other != book) left = left - part(other);
    }
    const at::Tensor vectors = from.codebooks[book];
    const at::Tensor losses = left.square().sum(2, true) - 2 * at::matmul(left, vectors.t()) +
                              vectors.square().sum(1);  // [groups, hypotheses, size]
    const at::Tensor flat = losses.reshape({groups, -1});
    const std::int64_t keep = book + 1 == count ? 1 : std::min(beam, flat.size(1));
    const at::Tensor place = std::get<1>(flat.topk(keep, 1, false));
    const at::Tensor source = place.div(vectors.size(0), "floor");
    codes = codes.gather(1, source.unsqueeze(2).expand({groups, keep, count}));
    codes.select(2, book).copy_(place.remainder(vectors.size(0)));
  }
  return codes.view(from.codes.sizes());
}

at::Tensor SearchOutputs(const at::Tensor& weight, const at::Tensor& moment,
                         const AdditiveCode& from, std::int64_t beam, const SearchOrder& order) {
  const at::NoGradGuard no_grad;
  return OutputSearch(weight, moment.to(weight.scalar_type()), from, beam).Run(order);
}

at::Tensor AdditiveLoss(const at::Tensor& weight, const at::Tensor& moment,
                        const AdditiveCode& code) {
  const at::Tensor error = (code.Decode() - weight).to(at::kDouble);
  return (at::mm(error, moment.to(at::kDouble)) * error).sum() /
         static_cast<double>(weight.size(0));
}

struct AdditiveTuner::State {
  at::Tensor weight;
  at::Tensor moment;
  AdditiveCode* code;
  std::unique_ptr<torch::optim::Adam> adam;
};

AdditiveTuner::AdditiveTuner(const at::Tensor& weight, const at::Tensor& moment, AdditiveCode* code,
                             double lr)
    : state_(std::make_unique<State>()) {
  for (at::Tensor* t : {&code->codebooks, &code->scales}) {
    *t = t->detach().clone().requires_grad_(true);
  }
  auto options = torch::optim::AdamOptions(lr).betas({0.0, 0.95}).amsgrad(true);
  state_->weight = weight;
  state_->moment = moment;
  state_->code = code;
  state_->adam = std::make_unique<torch::optim::Adam>(
      std::vector<at::Tensor>{code->codebooks, code->scales}, options);
}

AdditiveTuner::~AdditiveTuner() = default;

double AdditiveTuner::Backward() {
  const at::AutoGradMode with_grad(true);
  state_->adam->zero_grad();
  const at::Tensor loss = AdditiveLoss(state_->weight, state_->moment, *state_->code);
  loss.backward();
  return loss.item<double>();
}

void AdditiveTuner::Step() { state_->adam->step(); }

}  // namespace roundlab
