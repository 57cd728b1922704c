#include "core/quant/dtype.h"

namespace roundlab {

const EnumNames<c10::ScalarType>& DtypeNames() {
  static const EnumNames<c10::ScalarType> kNames = {{c10::ScalarType::Float, "float32"},
                                                    {c10::ScalarType::BFloat16, "bfloat16"},
                                                    {c10::ScalarType::Half, "float16"}};
  return kNames;
}

}  // namespace roundlab
