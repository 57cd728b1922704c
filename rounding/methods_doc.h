#pragma once

#include <string>

namespace roundlab {

/// The tables of docs/methods.md, made by asking the registered schemes, ranges and stages: what
/// each is, what it trains, what it needs to see, how it is tuned unless a config says otherwise.
std::string MethodsMarkdown();

}  // namespace roundlab
