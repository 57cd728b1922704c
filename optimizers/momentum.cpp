#include "optimizers/momentum.h"

#include <sstream>

namespace roundlab {

void MomentumOptions::Fields(FieldVisitor& f) {
  f.Real("momentum", &momentum, Between(0, 1), "share of the last step's direction; 0 is none");
  f.UsedIf(momentum > 0, "without momentum", [this](FieldVisitor& g) {
    g.Real("dampening", &dampening, Between(0, 1),
           "how much less than 1 the gradient counts in it");
  });
  f.Bool("nesterov", &nesterov, "step along gradient + momentum * buffer");
  f.Rule([this] { return Problem(); });
}

std::string MomentumOptions::Problem() const {
  if (!nesterov || (momentum > 0 && dampening == 0)) return "";
  std::ostringstream text;
  text << "nesterov needs momentum above 0 and dampening 0, got momentum " << momentum
       << " and dampening " << dampening;
  return text.str();
}

}  // namespace roundlab
