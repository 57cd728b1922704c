#pragma once

#include <string>

namespace roundlab {

/// Where the program finds what comes with it and what it is given.

/// The folder with catalogue.yaml, tasks/, hardware/ and lab/. ROUNDLAB_CONFIGS, where it is set;
/// else the first of these that has a catalogue.yaml: ../configs and ../share/roundlab/configs from
/// the folder of the program's file, and configs/ of the source it was built from. Throws Error
/// where there is none, with the places.
std::string ConfigFolder();

/// ROUNDLAB_DATA or "data".
std::string DataFolder();

/// ROUNDLAB_MODELS or "models".
std::string ModelFolder();

/// ROUNDLAB_CATALOGUE, else catalogue.yaml in ConfigFolder().
std::string CatalogueFile();

/// The folder of the program's file.
std::string ProgramFolder();

/// An environment variable, `absent` where it is not set or empty.
std::string Environment(const char* name, const std::string& absent);

}  // namespace roundlab
