"""Tables from a path or an open binary file as frames of pandas, polars and pyarrow, and row by row.

It must not import any of them until it is asked for one.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, Optional, Union

Row = Dict[str, Any]
Source = Union[Path, IO[bytes]]

KINDS = ("csv", "tsv", "json", "jsonl", "parquet", "arrow")
TEXT_KINDS = ("csv", "tsv", "json", "jsonl")
_ENDINGS = {"ndjson": "jsonl", "pq": "parquet", "feather": "arrow", "ipc": "arrow"}
_BATCH_ROWS = 10_000


def kind_of_name(name: str) -> Optional[str]:
    """What a file name's ending says: one of `KINDS`, or None."""
    ending = name.lower().rsplit(".", 1)[-1]
    ending = _ENDINGS.get(ending, ending)
    return ending if ending in KINDS else None


def kind_of_type(media_type: str) -> Optional[str]:
    """What a media type says."""
    for word, kind in (
        ("ndjson", "jsonl"),
        ("jsonl", "jsonl"),
        ("tab-separated", "tsv"),
        ("parquet", "parquet"),
        ("arrow", "arrow"),
        ("json", "json"),
        ("csv", "csv"),
    ):
        if word in media_type:
            return kind
    return None


def kind_of_bytes(head: bytes) -> Optional[str]:
    """What the first bytes say of a kind that has a mark of its own."""
    if head.startswith(b"PAR1"):
        return "parquet"
    return "arrow" if head.startswith(b"ARROW1") else None


def pandas(kind: str, source: Source, delimiter: str = ",") -> Any:
    """A table as a `pandas.DataFrame`."""
    import pandas

    read: Dict[str, Callable[[Any], Any]] = {
        "csv": lambda file: pandas.read_csv(file, sep=delimiter),
        "tsv": lambda file: pandas.read_csv(file, sep="\t"),
        "json": pandas.read_json,
        "jsonl": lambda file: pandas.read_json(file, lines=True),
        "parquet": pandas.read_parquet,
        "arrow": pandas.read_feather,
    }
    return read[kind](source)


def polars(kind: str, source: Source, delimiter: str = ",") -> Any:
    """A table as a `polars.DataFrame`."""
    import polars

    read: Dict[str, Callable[[Any], Any]] = {
        "csv": lambda file: polars.read_csv(file, separator=delimiter),
        "tsv": lambda file: polars.read_csv(file, separator="\t"),
        "json": polars.read_json,
        "jsonl": polars.read_ndjson,
        "parquet": polars.read_parquet,
        "arrow": polars.read_ipc,
    }
    return read[kind](source)


def arrow(kind: str, source: Source, delimiter: str = ",") -> Any:
    """A table as a `pyarrow.Table`; None for the kinds that pyarrow cannot read as they are."""
    if kind == "parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(source)
    if kind in ("csv", "tsv"):
        import pyarrow.csv

        options = pyarrow.csv.ParseOptions(delimiter="\t" if kind == "tsv" else delimiter)
        return pyarrow.csv.read_csv(source, parse_options=options)
    if kind == "arrow":
        import pyarrow.feather

        return pyarrow.feather.read_table(source)
    return None


def delimiter_of(path: Path) -> str:
    """What separates the cells of a CSV: the one of `,`, `;` and tab that its first line has most of."""
    with path.open("rb") as file:
        line = file.readline(1 << 20)
    counts = {",": 0, ";": 0, "\t": 0}
    quoted = False
    for byte in line.decode("utf-8", "replace"):
        quoted ^= byte == '"'
        if byte in counts and not quoted:
            counts[byte] += 1
    return max(counts, key=lambda one: counts[one])


def rows(kind: str, path: Path) -> Iterator[Row]:
    """The rows of a table, read as they are asked for. Values of CSV and TSV are text; the others keep their types."""
    return _text_rows_of(kind, path) if kind in TEXT_KINDS else _columnar_rows(kind, path)


def _text_rows_of(kind: str, path: Path) -> Iterator[Row]:
    delimiter = delimiter_of(path) if kind == "csv" else ","
    with path.open("rb") as file:
        yield from text_rows(kind, file, delimiter)


def text_rows(kind: str, file: IO[bytes], delimiter: str = ",") -> Iterator[Row]:
    """The rows of an open file of one of `TEXT_KINDS`, read as they are asked for."""
    if kind == "json":
        yield from json.loads(file.read())
        return
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    if kind == "jsonl":
        yield from (json.loads(line) for line in text if line.strip())
        return
    for row in csv.DictReader(text, delimiter="\t" if kind == "tsv" else delimiter):
        yield dict(row)


def _columnar_rows(kind: str, path: Path) -> Iterator[Row]:
    for name, read in (("pyarrow", _of_pyarrow), ("polars", _of_polars), ("pandas", _of_pandas)):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        yield from read(kind, path)
        return
    raise ImportError(
        f"reading `{path.name}` ({kind}) needs pyarrow, polars or pandas; add one to the model's requirements"
    )


def _of_pyarrow(kind: str, path: Path) -> Iterator[Row]:
    if kind == "parquet":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                yield from batch.to_pylist()
        return
    import pyarrow

    with pyarrow.memory_map(str(path)) as memory, pyarrow.ipc.open_file(memory) as file:
        for number in range(file.num_record_batches):
            yield from file.get_batch(number).to_pylist()


def _of_polars(kind: str, path: Path) -> Iterator[Row]:
    yield from polars(kind, path).iter_rows(named=True)


def _of_pandas(kind: str, path: Path) -> Iterator[Row]:
    yield from pandas(kind, path).to_dict("records")
