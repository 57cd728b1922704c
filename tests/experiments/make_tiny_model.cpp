// usage: make_tiny_model FOLDER: writes FOLDER/m, a random model, and FOLDER/text.txt.

#include <fstream>
#include <string>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  roundlab::testing::TinyModel{}.Write(folder + "/m");
  std::ofstream(folder + "/text.txt") << roundlab::testing::RandomText(4000, 3);
}
