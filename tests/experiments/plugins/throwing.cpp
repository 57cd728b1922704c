#include <stdexcept>

#include "core/base/plugin.h"

namespace {

void AddParts() { throw std::runtime_error("no license file"); }

}  // namespace

ROUNDLAB_PLUGIN(AddParts)
