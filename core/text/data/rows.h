#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/text/data/dataset.h"

namespace roundlab {

/// A row of a data set whose rows have several fields: a question with its choices.
struct Row {
  nlohmann::ordered_json value;  ///< an object
  std::string where;             ///< "dev.jsonl:12", for messages
  std::string label_where = {};  ///< "labels.lst:12" of a label that a file of its own has
};

struct Rows {
  std::string file;
  std::vector<Row> rows;  ///< in file order, not empty
};

/// Reads a source row by row: JSON lines, a JSON array of objects, .gz of both, Parquet, or a
/// folder of MMLU's files (SUBJECT_test.csv without header: question, four choices, letter), which
/// are taken in the order of their names and give rows {subject, question, choices, answer} as the
/// Hugging Face set has them (answer counts from 0). `source.labels` names a file with one label a
/// line, which becomes the field `label`. Throws Error naming file and row: missing file, no row, a
/// row that is no object, fewer or more labels than rows, text that is not UTF-8.
Rows LoadRows(const DataSource& source);

}  // namespace roundlab
