#include "core/text/data/parquet.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/extension_type.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/base/utf8.h"
#include "core/formats/mapped_file.h"

namespace roundlab {
namespace {

using Json = nlohmann::ordered_json;

Json ValueOf(const arrow::Array& array, std::int64_t i);

template <class Type>
const Type& As(const arrow::Array& array) {
  return static_cast<const Type&>(array);
}

std::string TextOf(std::string_view text) {
  CheckUtf8(text);
  return std::string(text);
}

template <class ListType>
Json ItemsOf(const arrow::Array& array, std::int64_t i) {
  const auto& list = As<ListType>(array);
  const std::int64_t begin = list.value_offset(i);
  const std::int64_t end = begin + list.value_length(i);
  Json items = Json::array();
  for (std::int64_t j = begin; j < end; ++j) items.push_back(ValueOf(*list.values(), j));
  return items;
}

Json MembersOf(const arrow::StructArray& array, std::int64_t i) {
  Json members = Json::object();
  for (int j = 0; j < array.num_fields(); ++j) {
    members[TextOf(array.struct_type()->field(j)->name())] = ValueOf(*array.field(j), i);
  }
  return members;
}

template <class T>
T Must(arrow::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(result).ValueUnsafe();
}

Json NumberOf(const arrow::Array& array, std::int64_t i) {
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return As<arrow::Int8Array>(array).Value(i);
    case arrow::Type::INT16:
      return As<arrow::Int16Array>(array).Value(i);
    case arrow::Type::INT32:
      return As<arrow::Int32Array>(array).Value(i);
    case arrow::Type::INT64:
      return As<arrow::Int64Array>(array).Value(i);
    case arrow::Type::UINT8:
      return As<arrow::UInt8Array>(array).Value(i);
    case arrow::Type::UINT16:
      return As<arrow::UInt16Array>(array).Value(i);
    case arrow::Type::UINT32:
      return As<arrow::UInt32Array>(array).Value(i);
    case arrow::Type::UINT64:
      return As<arrow::UInt64Array>(array).Value(i);
    case arrow::Type::FLOAT:
      return As<arrow::FloatArray>(array).Value(i);
    case arrow::Type::DOUBLE:
      return As<arrow::DoubleArray>(array).Value(i);
    default:
      throw Error("JSON has no form for the type " + array.type()->ToString());
  }
}

Json ValueOf(const arrow::Array& array, std::int64_t i) {
  if (array.IsNull(i)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return As<arrow::BooleanArray>(array).Value(i);
    case arrow::Type::STRING:
      return TextOf(As<arrow::StringArray>(array).GetView(i));
    case arrow::Type::LARGE_STRING:
      return TextOf(As<arrow::LargeStringArray>(array).GetView(i));
    case arrow::Type::STRING_VIEW:
      return TextOf(As<arrow::StringViewArray>(array).GetView(i));
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return ItemsOf<arrow::ListArray>(array, i);
    case arrow::Type::LARGE_LIST:
      return ItemsOf<arrow::LargeListArray>(array, i);
    case arrow::Type::FIXED_SIZE_LIST:
      return ItemsOf<arrow::FixedSizeListArray>(array, i);
    case arrow::Type::STRUCT:
      return MembersOf(As<arrow::StructArray>(array), i);
    case arrow::Type::DICTIONARY: {
      const auto& coded = As<arrow::DictionaryArray>(array);
      return ValueOf(*coded.dictionary(), coded.GetValueIndex(i));
    }
    case arrow::Type::EXTENSION:
      return ValueOf(*As<arrow::ExtensionArray>(array).storage(), i);
    default:
      break;
  }
  const arrow::Type::type type = array.type_id();
  if (arrow::is_temporal(type) || arrow::is_decimal(type)) {
    return TextOf(Must(array.GetScalar(i))->ToString());
  }
  return NumberOf(array, i);
}

/// Says what a user can get wrong in our words, before Arrow sees the file.
void CheckMagic(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view magic = "PAR1";
  if (text.substr(0, 4) != magic) {
    throw Error("not a Parquet file (it does not begin with 'PAR1')");
  }
  if (text.substr(text.size() - 4) != magic) {
    throw Error("this Parquet file is cut off (it does not end with 'PAR1')");
  }
}

std::unique_ptr<parquet::arrow::FileReader> Open(std::span<const std::byte> bytes) {
  CheckMagic(bytes);
  parquet::ArrowReaderProperties properties;
  properties.set_use_threads(false);  // so that Arrow starts no threads of its own
  properties.set_pre_buffer(false);
  properties.set_batch_size(1024);
  const auto buffer = std::make_shared<arrow::Buffer>(
      reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::int64_t>(bytes.size()));
  parquet::arrow::FileReaderBuilder builder;
  const arrow::Status status = builder.Open(std::make_shared<arrow::io::BufferReader>(buffer));
  if (!status.ok()) throw std::runtime_error(status.message());
  return Must(builder.properties(properties)->Build());
}

/// The columns (leaves of the schema) that belong to `fields`, or all.
std::vector<int> ColumnsOf(const parquet::SchemaDescriptor& schema,
                           const std::vector<std::string>& fields) {
  const parquet::schema::GroupNode& root = *schema.group_node();
  std::vector<std::string> names(static_cast<std::size_t>(root.field_count()));
  for (int i = 0; i < root.field_count(); ++i) {
    names[static_cast<std::size_t>(i)] = root.field(i)->name();
  }
  const auto has = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const std::string& field : fields) {
    if (!has(names, field)) {
      throw Error("no field '" + field + "'" + SuggestionSuffix(field, names));
    }
  }
  std::vector<int> columns;
  for (int i = 0; i < schema.num_columns(); ++i) {
    if (fields.empty() || has(fields, schema.GetColumnRoot(i)->name())) columns.push_back(i);
  }
  return columns;
}

std::string RowOf(const arrow::RecordBatch& batch, std::int64_t i) {
  Json row = Json::object();
  for (int j = 0; j < batch.num_columns(); ++j) {
    const std::string& name = batch.schema()->field(j)->name();
    try {
      row[TextOf(name)] = ValueOf(*batch.column(j), i);
    } catch (const Error& error) {
      throw Error("field '" + name + "': " + error.what());
    }
  }
  return row.dump();
}

std::unique_ptr<arrow::RecordBatchReader> BatchesOf(parquet::arrow::FileReader* file,
                                                    const std::vector<std::string>& fields) {
  const parquet::FileMetaData& about = *file->parquet_reader()->metadata();
  std::vector<int> groups(static_cast<std::size_t>(about.num_row_groups()));
  std::iota(groups.begin(), groups.end(), 0);
  return Must(file->GetRecordBatchReader(groups, ColumnsOf(*about.schema(), fields)));
}

/// What `read` gives; what it throws with the place before it.
template <class Read>
auto At(const std::string& place, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(place + ": " + error.what());
  } catch (const std::exception& error) {  // Arrow's
    throw Error(place + ": broken Parquet file: " + error.what());
  }
}

}  // namespace

}  // namespace roundlab

extern "C" __attribute__((visibility("default"))) void roundlab_read_parquet_rows(
    const std::string& path, const std::vector<std::string>& fields,
    const roundlab::TakeRow& take) {
  using namespace roundlab;  // NOLINT(google-build-using-namespace): a C name has no namespace
  const MappedFile mapped(path);
  const auto file = At(path, [&] { return Open(mapped.bytes()); });
  const auto batches = At(path, [&] { return BatchesOf(file.get(), fields); });
  std::int64_t row = 0;
  while (const auto batch = At(path, [&] { return Must(batches->Next()); })) {
    for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
      ++row;
      const auto place = path + ":" + std::to_string(row);
      if (!take(At(place, [&] { return RowOf(*batch, i); }), row)) return;
    }
  }
}
