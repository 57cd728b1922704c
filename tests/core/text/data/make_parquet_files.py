"""Writes parquet/*.parquet, small files of what Parquet can hold, and beside them the rows that pyarrow
reads back, as JSON. Needs `pip install pyarrow==26.0.1`; run by hand:
    python make_parquet_files.py
"""
import datetime
import decimal
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent / "parquet"


def value_of(value):
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    if isinstance(value, tuple):  # an entry of a map
        return {"key": value[0], "value": value_of(value[1])}
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if isinstance(value, dict):
        return {key: value_of(item) for key, item in value.items()}
    return value


def as_text(table):
    """Dates, times and decimals as the texts that Arrow makes of them."""
    fields = [field.with_type(pa.string()) if pa.types.is_temporal(field.type) or
              pa.types.is_decimal(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


def write(name, table, rows=True, **options):
    pq.write_table(table, FOLDER / f"{name}.parquet", **options)
    if rows:
        with open(FOLDER / f"{name}.jsonl", "w", encoding="utf-8") as out:
            for row in as_text(pq.read_table(FOLDER / f"{name}.parquet")).to_pylist():
                text = json.dumps(value_of(row), ensure_ascii=False, separators=(",", ":"))
                out.write(text + "\n")


def types():
    nested = pa.struct([("a", pa.list_(pa.struct([("b", pa.int16())]))), ("c", pa.string())])
    big = 2**63
    columns = {
        "bool": pa.array([True, None, False]),
        "int8": pa.array([-128, 127, None], pa.int8()),
        "int64": pa.array([-big, None, big - 1], pa.int64()),
        "uint8": pa.array([0, 255, 1], pa.uint8()),
        "uint32": pa.array([2**32 - 1, 0, None], pa.uint32()),
        "uint64": pa.array([2 * big - 1, 0, 1], pa.uint64()),
        "float": pa.array([0.5, float("nan"), None], pa.float32()),
        "double": pa.array([0.1, float("-inf"), -2.5e-300], pa.float64()),
        "string": pa.array(['"\\\n\u00e9\U0001f600', "", None]),
        "large_string": pa.array(["a", None, "b"], pa.large_string()),
        "string_view": pa.array(["a", None, "b, and more than twelve bytes"], pa.string_view()),
        "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
        "list": pa.array([[], None, ["a", None]], pa.list_(pa.string())),
        "large_list": pa.array([[1], [2, 3], []], pa.large_list(pa.int32())),
        "fixed": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2)),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "nested": pa.array([{"a": [{"b": 1}, {"b": None}], "c": "z"}, None, {"a": None, "c": ""}],
                           nested),
        "null": pa.nulls(3),
        "date": pa.array([datetime.date(2023, 11, 3), None, datetime.date(1969, 12, 31)]),
        "time": pa.array([datetime.datetime(2023, 11, 3, 1, 2, 3), None, None],
                         pa.timestamp("s")),
        "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-0.01")]),
    }
    return pa.table(columns)


def hub():
    """Rows as the hub's `datasets` library writes them: sequences of structs are structs of lists."""
    choices = pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])
    rows = [{"id": f"row{i}", "question": f"Which is {i}?", "answerKey": "AB"[i % 2],
             "choices": {"text": [f"{i}", f"not {i}"], "label": ["A", "B"]}} for i in range(5)]
    schema = pa.schema([("id", pa.string()), ("question", pa.string()), ("choices", choices),
                        ("answerKey", pa.string())])
    return pa.Table.from_pylist(rows, schema)


def ill_formed_text():
    good = pa.array([b"good", b"abc\xc3("], pa.binary())
    return pa.table({"text": pa.Array.from_buffers(pa.string(), 2, good.buffers())})


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write("types", types(), compression="zstd", store_schema=True)
    write("hub", hub(), row_group_size=2, compression="snappy")
    write("empty", pa.table({"text": pa.array([], pa.string())}))
    write("bytes", pa.table({"text": ["a"], "image": pa.array([{"bytes": b"\x00"}])}), rows=False)
    write("ill_formed", ill_formed_text(), rows=False, compression="gzip")
