#include "experiments/cli/print_json.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace roundlab {

void PrintJson(const nlohmann::json& value) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  std::printf("%s\n", value.dump(2, ' ', false, kReplace).c_str());
}

}  // namespace roundlab
