#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace roundlab {

/// What the command line says, all commands together.
struct CommandLine {
  std::string command;
  std::vector<std::string> arguments;  ///< after the command
  std::vector<std::string> set;        ///< key=value
  std::string out = "results/runs";
  bool out_given = false;
  std::string model;
  std::string text;
  std::string file;
  std::string ids;
  std::string program;           ///< file of this program
  std::int64_t seed = 0;         ///< of the bootstrap of `compare`, of the world of `world`
  std::string split;             ///< of `world`
  std::int64_t documents = 0;    ///< of `world`
  std::int64_t jobs = 1;         ///< runs at a time
  std::int64_t max_threads = 0;  ///< of `execute`
  double line_seconds = 20;      ///< of `execute`: between progress lines
  std::string format = "markdown";
  bool json = false;
  bool quiet = false;
  bool no_special = false;
  bool retry_failed = false;
  bool supervised = false;  ///< of `execute`: started by a runner
};

// Each returns the exit code: 0 done, 1 a run failed, 2 it failed for bad input, 130 interrupted.
// Bad input that is known before anything runs throws Error.

int RunCommand(const CommandLine& line);       ///< run FILE
int PlanCommand(const CommandLine& line);      ///< plan FILE
int TableCommand(const CommandLine& line);     ///< table FILE
int ValidateCommand(const CommandLine& line);  ///< validate FILE
int ExecuteCommand(const CommandLine& line);   ///< execute FOLDER: one run, started by `run`
int ListCommand(const CommandLine& line);      ///< list [KIND]
int DescribeCommand(const CommandLine& line);  ///< describe KIND NAME, describe all
int ScoreCommand(const CommandLine& line);     ///< score --model M (--text T | --ids FILE)
int CompareCommand(const CommandLine& line);   ///< compare A B: two folders of runs
int TokenizeCommand(const CommandLine& line);  ///< tokenize --model M (--text T | --file F)
int TrainCommand(const CommandLine& line);     ///< train FILE: a language model
int WorldCommand(const CommandLine& line);     ///< world: text of the built-in laboratory

/// Throws Error unless the command has exactly `count` arguments, called `names` in the message.
void RequireArguments(const CommandLine& line, std::size_t count, const std::string& names);

}  // namespace roundlab
