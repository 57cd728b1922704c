#include "core/kernels/recurrence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/base/error.h"

namespace roundlab {
namespace {

enum class Rule { kDelta, kStateSpace };

/// The tensors as they are multiplied: [batch, value_heads, seq, dim], rates [.., seq], float32.
Recurrence ByHeads(const Recurrence& rule, Rule kind) {
  const std::int64_t shared = rule.v.size(2) / rule.k.size(2);
  const auto heads = [](const at::Tensor& t) { return t.to(at::kFloat).transpose(1, 2); };
  const auto spread = [&](const at::Tensor& t) {
    const at::Tensor wide = heads(t);
    if (kind == Rule::kStateSpace) return wide.repeat_interleave(shared, 1);
    const at::Tensor length = (wide.square().sum(-1, true) + 1e-6).sqrt();
    return (wide / length).repeat_interleave(shared, 1);
  };
  const auto width = static_cast<double>(rule.q.size(3));
  const double scale = kind == Rule::kDelta ? 1 / std::sqrt(width) : 1;
  return {spread(rule.q) * scale, spread(rule.k), heads(rule.v), heads(rule.decay),
          heads(rule.updates)};
}

/// What follows a state: the outputs, and the state behind them.
struct Followed {
  at::Tensor outputs;  // [batch, heads, seq, value_dim]
  at::Tensor state;    // [batch, heads, key_dim, value_dim]
};

/// Whether each row of the state fades by itself.
bool ByChannel(const Recurrence& r) { return r.decay.dim() == 4; }

/// Products of the chunk's keys with others of its tokens, each by what is left between them; 0
/// where the key is later. [batch, heads, others, keys]
class Products {
 public:
  Products(const Recurrence& r, const at::Tensor& total) : by_channel_(ByChannel(r)), keys_(r.k) {
    const std::int64_t size = r.k.size(2);
    // Masked before exp: above the diagonal it would be infinite, and its gradient not a number.
    at::Tensor later = at::ones({size, size}, r.k.options().dtype(at::kBool)).triu(1);
    if (by_channel_) later = later.unsqueeze(-1);
    between_ = (total.unsqueeze(3) - total.unsqueeze(2)).masked_fill(later, -INFINITY).exp();
    if (by_channel_) between_ = between_ * keys_.unsqueeze(2);
  }

  at::Tensor With(const at::Tensor& others) const {
    if (by_channel_) return between_.matmul(others.unsqueeze(-1)).squeeze(-1);
    return others.matmul(keys_.transpose(-1, -2)) * between_;
  }

 private:
  bool by_channel_;
  at::Tensor keys_;
  at::Tensor between_;  // what is left, times keys where it is of each channel
};

/// The rule over one chunk. With `left`, what is left at a token of the state before the chunk,
/// and A = update k k^T left_i / left_j below the diagonal, the values that are written in the end
/// are (I + A)^-1 (update v - update left k S).
Followed FollowChunk(const Recurrence& r, Rule kind, const at::Tensor& state) {
  const std::int64_t size = r.q.size(2);
  const at::Tensor total = r.decay.cumsum(2);
  const auto of_rows = [&](const at::Tensor& t) { return ByChannel(r) ? t : t.unsqueeze(-1); };
  const at::Tensor left = of_rows(total.exp());
  const Products products(r, total);
  at::Tensor written = r.v * r.updates.unsqueeze(-1);
  if (kind == Rule::kDelta) {
    const at::Tensor keys = r.k * r.updates.unsqueeze(-1);
    const at::Tensor known = (keys * left).matmul(state);
    // The diagonal is not read.
    written = at::linalg_solve_triangular(products.With(keys), written - known, false, true, true);
  }
  const at::Tensor outputs = (r.q * left).matmul(state) + products.With(r.q).matmul(written);
  const at::Tensor rest = of_rows((total.narrow(2, size - 1, 1) - total).exp());
  return {outputs, state * left.narrow(2, size - 1, 1).transpose(-1, -2) +
                       (r.k * rest).transpose(-1, -2).matmul(written)};
}

/// All tensors in parts: split at once, since the gradient of a part alone is as large as the
/// whole.
Followed Follow(const Recurrence& r, Rule kind, at::Tensor state) {
  const std::int64_t chunk_size = ByChannel(r) ? kChannelsChunk : kRecurrenceChunk;
  const auto parts = [&](const at::Tensor& t) { return t.split(chunk_size, 2); };
  const auto q = parts(r.q);
  const auto k = parts(r.k);
  const auto v = parts(r.v);
  const auto decay = parts(r.decay);
  const auto updates = parts(r.updates);
  std::vector<at::Tensor> outputs;
  for (std::size_t i = 0; i < q.size(); ++i) {
    Followed chunk = FollowChunk({q[i], k[i], v[i], decay[i], updates[i]}, kind, state);
    outputs.push_back(std::move(chunk.outputs));
    state = std::move(chunk.state);
  }
  return {at::cat(outputs, 2), state};
}

std::int64_t End(const RowRange& rows) { return rows.begin + rows.length; }

/// Texts that begin alike go on from one state, which is kept where others follow it.
at::Tensor FollowPacked(const Recurrence& r, Rule kind, const at::Tensor& start,
                        const std::vector<Segment>& segments) {
  std::vector<const Segment*> parents_first;
  std::set<std::int64_t> followed;
  for (const Segment& segment : segments) {
    parents_first.push_back(&segment);
    if (!segment.prefix.empty()) followed.insert(End(segment.prefix.back()));
  }
  std::stable_sort(
      parents_first.begin(), parents_first.end(),
      [](const Segment* a, const Segment* b) { return a->prefix.size() < b->prefix.size(); });
  at::Tensor outputs = at::zeros_like(r.v, at::MemoryFormat::Contiguous);
  std::map<std::int64_t, at::Tensor> states;
  for (const Segment* segment : parents_first) {
    const RowRange& own = segment->own;
    if (own.length == 0) continue;
    const at::Tensor& before =
        segment->prefix.empty() ? start : states.at(End(segment->prefix.back()));
    const auto cut = [&](const at::Tensor& t) { return t.narrow(2, own.begin, own.length); };
    Followed found =
        Follow({cut(r.q), cut(r.k), cut(r.v), cut(r.decay), cut(r.updates)}, kind, before);
    outputs.narrow(2, own.begin, own.length).copy_(found.outputs);
    if (followed.count(End(own)) > 0) states[End(own)] = std::move(found.state);
  }
  return outputs;
}

at::Tensor EmptyState(const Recurrence& r) {
  return at::zeros({r.v.size(0), r.v.size(1), r.k.size(3), r.v.size(3)},
                   r.v.options().requires_grad(false));
}

at::Tensor Outputs(const Recurrence& rule, Rule kind, const std::vector<Segment>* segments) {
  ROUNDLAB_CHECK(rule.v.dim() == 4 && rule.v.size(2) % rule.k.size(2) == 0,
                 "v must be [batch, seq, value_heads, value_dim], a multiple of the key heads");
  const Recurrence heads = ByHeads(rule, kind);
  const at::Tensor start = EmptyState(heads);
  const at::Tensor outputs = segments == nullptr ? Follow(heads, kind, start).outputs
                                                 : FollowPacked(heads, kind, start, *segments);
  return outputs.transpose(1, 2);
}

at::Tensor TokenByToken(const Recurrence& rule, Rule kind) {
  const Recurrence r = ByHeads(rule, kind);
  at::Tensor state = EmptyState(r);
  std::vector<at::Tensor> outputs;
  for (std::int64_t t = 0; t < rule.v.size(1); ++t) {
    const at::Tensor key = r.k.select(2, t).unsqueeze(-1);
    const at::Tensor left = r.decay.select(2, t).exp().unsqueeze(-1);
    state = state * (ByChannel(r) ? left : left.unsqueeze(-1));
    at::Tensor written = r.v.select(2, t);
    if (kind == Rule::kDelta) written = written - (key * state).sum(-2);
    state = state + key * (written * r.updates.select(2, t).unsqueeze(-1)).unsqueeze(-2);
    outputs.push_back((r.q.select(2, t).unsqueeze(-1) * state).sum(-2));
  }
  return at::stack(outputs, 1);
}

}  // namespace

at::Tensor GatedDeltaRule(const Recurrence& rule, const std::vector<Segment>* segments) {
  return Outputs(rule, Rule::kDelta, segments);
}

at::Tensor StateSpace(const Recurrence& rule, const std::vector<Segment>* segments) {
  return Outputs(rule, Rule::kStateSpace, segments);
}

at::Tensor GatedDeltaRuleReference(const Recurrence& rule) {
  return TokenByToken(rule, Rule::kDelta);
}

at::Tensor StateSpaceReference(const Recurrence& rule) {
  return TokenByToken(rule, Rule::kStateSpace);
}

}  // namespace roundlab
