#include "core/kernels/out_of_memory.h"

#include <c10/util/Exception.h>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// The sentences that say what was wanted; the rest is of who holds the memory.
std::string FirstSentences(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  const std::string wanted = "Tried to allocate ";
  const auto begin = line.find(wanted);
  if (begin == std::string::npos) return line;
  const auto end = line.find(". ", begin);
  return end == std::string::npos ? line : line.substr(0, end + 1);
}

}  // namespace

void WithinMemory(const std::string& name, const std::string& remedy,
                  const std::function<void()>& work) {
  try {
    work();
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(name + ": out of memory (" + FirstSentences(error.what_without_backtrace()) +
                "): " + remedy);
  } catch (const c10::AcceleratorError& error) {
    constexpr int kNoMemory = 2;  // cudaErrorMemoryAllocation: of the machine's, pinned, too
    if (error.get_error_code() != kNoMemory) throw;
    throw Error(name + ": out of memory (" + FirstSentences(error.what_without_backtrace()) +
                "): " + remedy +
                "; where it is the machine's that is short, --max-memory (GiB) keeps hidden "
                "states in a file");
  }
}

}  // namespace roundlab
