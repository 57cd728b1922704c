#pragma once

#include <c10/core/ScalarType.h>

#include "core/config/enum_names.h"

namespace roundlab {

/// The dtypes that matrix products, hidden states and stored weights of a model may have.
const EnumNames<c10::ScalarType>& DtypeNames();

}  // namespace roundlab
