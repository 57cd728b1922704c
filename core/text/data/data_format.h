#pragma once

#include "core/config/enum_field.h"

namespace roundlab {

/// Formats of a file (lines end as ReadText in core/text/data/dataset.h says).
enum class DataFormat {
  kAuto,  ///< by name in either case: .jsonl, .json -> jsonl, .parquet, .raw -> wikitext, else text
  kEndOfText,  ///< documents are separated by "<|endoftext|>" and stripped; blank ones are left out
  kJsonl,      ///< a line is a JSON object; its `field` is the document
  kLines,      ///< a line is a document, stripped; blank lines are left out
  kParquet,    ///< a row's `field` is the document (core/text/data/parquet.h)
  kText,       ///< the whole file is one document
  kWikitext,  ///< a line is a row as in the Hugging Face set: blank ones "", others keep their "\n"
};
const EnumNames<DataFormat>& DataFormatNames();

}  // namespace roundlab
