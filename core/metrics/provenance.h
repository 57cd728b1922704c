#pragma once

#include <map>
#include <string>

namespace roundlab {

/// What has to be known to repeat a run, as name -> text: commit, compiler, libtorch, cpu, threads,
/// ...
using Provenance = std::map<std::string, std::string>;

/// The part that the build and the machine give: compiler, cpu, kernel, cores. Seeds, data
/// fingerprints and library versions are added by who knows them.
Provenance BuildAndMachine();

/// Local time as 2026-01-31T12:00:00+0100.
std::string TimeNow();

}  // namespace roundlab
