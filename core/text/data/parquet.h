#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// Parquet files, the form of most data sets on the Hugging Face hub, read by Apache Arrow. It is
/// linked by a library of ours, libroundlab_parquet.so, which is opened when the first such file is
/// read: a program starts without Arrow (docs/adr/0015). The library is ROUNDLAB_PARQUET_LIBRARY
/// where that is set, else the first of: beside the program's file, in ../lib/roundlab from there,
/// where the program was built.

/// Whether Arrow is there; without it every Parquet file is an Error (docs/adr/0008, 0015).
bool ReadsParquet();

/// A row's text and its number, counted from 1; false ends the reading.
using TakeRow = std::function<bool(std::string_view json, std::int64_t row)>;

/// Hands on a file's rows in their order, each as the text of a JSON object: the file's fields in
/// their order, of these only `fields` where it is not empty. Structs become objects, lists (of any
/// kind, maps too: lists of {key, value}) arrays, a missing value null, also NaN and infinity;
/// dates, times and decimals become texts as Arrow prints them. Row groups are read one after the
/// other. Throws Error naming the file, where it can the row and field: no file, not Parquet, cut
/// off, broken, a field that is not there (with the nearest), text that is not UTF-8, bytes and
/// other types that JSON has no form for.
void ForParquetRows(const std::string& path, const std::vector<std::string>& fields,
                    const TakeRow& take);

}  // namespace roundlab
