#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/tables/text_table.h"

namespace roundlab {

/// What executes runs: this machine, or Slurm.
enum class Engine { kLocal, kSlurm };

/// What the command line says, all commands together.
struct CommandLine {
  std::string command;
  std::string usage;                   ///< of the command, with its flags
  std::vector<std::string> arguments;  ///< after the command
  std::vector<std::string> plugins;    ///< shared libraries
  std::vector<std::string> set;        ///< key=value
  std::vector<std::string> only;       ///< axis=label,...
  std::string out = "results/runs";
  bool out_given = false;  ///< `report` and `train` have defaults of their own
  std::string device;      ///< empty: as the file says
  std::string model;
  std::optional<std::string> text;
  std::string file;
  std::string ids;
  std::string program;       ///< file of this program
  std::int64_t seed = 0;     ///< of `compare`'s bootstrap, `world`'s world, `sample`'s draws
  std::int64_t jobs = 1;     ///< runs at a time
  double max_memory = 0;     ///< GiB; 0: what the machine has left
  double line_seconds = 20;  ///< of `execute`: between progress lines
  std::optional<TableFormat> format;  ///< of tables; not given: Markdown, or a terminal's width
  std::string hardware;  ///< of `plan`: NAME of configs/hardware or a file; empty: this machine
  std::string split;     ///< of `world`
  std::int64_t documents = 3;  ///< of `world`, `sample` and `prompts`
  std::int64_t tokens = 128;   ///< of `sample`: of a document
  bool json = false;
  bool quiet = false;
  bool no_special = false;
  bool retry_failed = false;
  std::int64_t runner = 0;  ///< of `execute`: process id of the runner that started it; 0 none
  bool jobs_given = false;
  Engine engine = Engine::kLocal;
  std::optional<std::string> slurm_options;
};

}  // namespace roundlab
