#include "core/base/error.h"
#include "core/text/data/parquet.h"

// Built in place of parquet.cpp where there is no Apache Arrow.

namespace roundlab {

bool ReadsParquet() { return false; }

void ForParquetRows(const std::string& path, const std::vector<std::string>& /*fields*/,
                    const TakeRow& /*take*/) {
  throw Error(path +
              ": this build can't read Parquet files: run scripts/setup --parquet and build again");
}

}  // namespace roundlab
