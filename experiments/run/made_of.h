#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace roundlab {

/// What a run's checkpoint was made of: all that its numbers depend on. Units of two makings are
/// never put together.
struct MadeOf {
  std::string program;             ///< ProgramVersion()
  std::string config;              ///< the run's id
  std::string model_sha256;        ///< of names, shapes and bytes of its tensors
  std::string model_files_sha256;  ///< of its config and tokenizer
  std::string calibration_sha256;  ///< of the tokens; empty: none
  std::string device;              ///< "cpu"
  std::int64_t threads = 0;
};

/// FOLDER/made_of.json. nullopt where it is not there; Error where it can't be read.
std::optional<MadeOf> ReadMadeOf(const std::string& folder);

/// Before the first unit: makes the checkpoint's folder, which says from now on what it is made of.
/// Where it has said so before, and something differs, throws Error that names what, with both
/// values, and what can be done about it; so also where units are there of which nothing is known.
/// Where no unit is there yet, there is nothing to mix: it is as if nothing had been said.
void BeginCheckpoint(const std::string& folder, const MadeOf& made_of);

}  // namespace roundlab
