#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

enum class Activation {
  kSilu,
  kGelu,
  kGeluTanh,
  kRelu,
  kQuickGelu,
  kReluSquared,
  kXielu,  ///< arXiv 2411.13010; has numbers of its own
};

/// How experts are chosen, and weighted.
enum class Routing {
  kSoftmax,      ///< the largest of softmax(router x), which are the weights
  kSigmoid,      ///< the same of sigmoid(router x)
  kSparseMixer,  ///< one after the other, each by softmax over those near it (Phi-3.5-MoE)
};

/// The experts of an MLP: those that the router chooses are summed, weighted by it.
struct ExpertsPlan {
  std::string router;  ///< name in the checkpoint without ".weight", [count, hidden]; not a slot
  std::int64_t count = 0;
  std::int64_t used = 0;  ///< by a token
  bool normalize = true;  ///< weights of those used sum to 1
  double factor = 1;      ///< of the weights, after that
  double cap = 0;         ///< c: router x becomes c tanh(router x / c); 0 none
  bool in_float = false;  ///< router x in float32, whatever the model's products are in
  /// Experts lie in so many groups, and a token is sent to experts of the best groups_used alone:
  /// of the largest score with kSoftmax, of the largest sum of two with kSigmoid.
  std::int64_t groups = 1;
  std::int64_t groups_used = 1;
  /// Name in the checkpoint of what is added to scores where experts are chosen, but not where they
  /// are weighted, [count]; empty: nothing.
  std::string correction = {};
  bool correction_row = false;  ///< it is stored as [1, count]
  Routing routing = Routing::kSoftmax;
  double jitter = 0;    ///< of kSparseMixer: near is within 2 jitter of the larger magnitude
  bool shared = false;  ///< an MLP that all tokens go through is added (of LinearPlan::expert -1)
  /// [1, hidden], named as the router: that MLP is multiplied by sigmoid(shared_gate x). Empty: 1.
  std::string shared_gate = {};
  double shared_factor = 1;  ///< of what that MLP gives
  /// Names in the checkpoint of factors; empty: none. Of what the router reads, [hidden], with
  /// 1 / sqrt(hidden); of each expert's weight, [count], after normalize.
  std::string router_scale = {};
  std::string expert_factors = {};
  bool router_bias = false;  ///< ROUTER.bias, [count]: router x + bias
  /// An expert is fed its weight times x, and what it gives is added as it is (Llama 4).
  bool weighs_input = false;

  std::int64_t RouterRows() const { return count + (shared_gate.empty() ? 0 : 1); }
  std::vector<std::int64_t> CorrectionShape() const;  ///< as stored
};

struct MlpPlan {
  bool gated = true;  ///< down(act(gate(x)) * up(x)), else down(act(up(x)))
  Activation activation = Activation::kSilu;
  std::string activation_numbers = {};  ///< of kXielu: NAME.alpha_p, alpha_n, beta and eps
  /// Of what is gated: gate is held to c at most, up to [-c, c], before all else; 0: neither.
  double clamp = 0;
  double up_offset = 0;   ///< down(act(gate(x)) * (up(x) + offset))
  double gate_scale = 1;  ///< of gate(x), before all else
  bool by_turns = false;  ///< kGateUp has a row of gate, one of up, and so on
  std::optional<ExpertsPlan> experts = {};
};

}  // namespace roundlab
