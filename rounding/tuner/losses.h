#pragma once

#include "rounding/tuner/loss.h"

namespace roundlab {

/// Mean of squared differences (SignRound, arXiv 2309.05516).
class MseLoss : public Loss {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit MseLoss(const Options& options);
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                const at::Tensor& mask) const override;
  bool IsMeanOfRows() const override { return true; }
};

/// Kullback-Leibler divergence of the targets' next-token distributions from those of the outputs,
/// in nats, mean over tokens: the gradient of the cross-entropy with soft labels (LLM-QAT, arXiv
/// 2305.17888, section 2.3). outputs, targets: [rows, seq, vocab] logits.
class SoftLabelsLoss : public Loss {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit SoftLabelsLoss(const Options& options);
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                const at::Tensor& mask) const override;
  bool IsMeanOfRows() const override { return true; }
  bool OfLogits() const override { return true; }
};

/// Squared differences summed over features, mean over rows and positions (AdaRound, TesseraQ).
class SumSquaresLoss : public Loss {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit SumSquaresLoss(const Options& options);
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                const at::Tensor& mask) const override;
  bool IsMeanOfRows() const override { return true; }
};

/// Squared differences summed over positions, mean over rows and features (FlexRound, LRQ:
/// onliwad101/FlexRound_LRQ at 59d4665).
class SumTokensLoss : public Loss {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit SumTokensLoss(const Options& options);
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                const at::Tensor& mask) const override;
  bool IsMeanOfRows() const override { return true; }
};

/// Sum without the largest squares, floor(trim n) of them and at least one, over n (SignRound v2:
/// auto-round's enable_alg_ext). They are picked among all tokens, masked ones too. With trim 0,
/// where codes have `below_bits` bits or more and the layers' inputs more than `inputs_up_to_bits`,
/// and with `sym_full_only` on other grids, none is left out.
class TrimmedMseLoss : public Loss {
 public:
  struct Options {
    double trim = 0.001;
    std::int64_t below_bits = 17;
    std::int64_t inputs_up_to_bits = 0;
    bool sym_full_only = false;
    void Fields(FieldVisitor& f);
  };
  explicit TrimmedMseLoss(const Options& options) : options_(options), trims_(options.trim > 0) {}
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                const at::Tensor& mask) const override;
  bool IsMeanOfRows() const override { return !trims_; }
  void SetCodes(const TunedCodes& codes) override;

 private:
  Options options_;
  bool trims_;
};

}  // namespace roundlab
