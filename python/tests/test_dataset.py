"""`on.Dataset`: files and folders, rows and chunks, frames where a library is there, the input that names one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import onstage as on
from onstage.contract import checked
from onstage.shapes.media import DatasetOf
from onstage.wire import Incoming

ROWS = [{"n": 1, "text": "a, b"}, {"n": 2, "text": "two\nlines"}, {"n": 3, "text": "zürich"}]
CSV = 'n,text\n1,"a, b"\n2,"two\nlines"\n3,zürich\n'
AS_TEXT = [{**row, "n": str(row["n"])} for row in ROWS]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_come_one_by_one(tmp_path):
    lines = "".join(json.dumps(row) + "\n\n" for row in ROWS)
    for name, text, expected in (
        ("a.csv", CSV, AS_TEXT),
        ("mark.csv", "\ufeff" + CSV, AS_TEXT),
        ("a.tsv", "n\ttext\n1\tx\n", [{"n": "1", "text": "x"}]),
        ("semicolons.csv", 'n;"a,b,c"\n1;x\n', [{"n": "1", "a,b,c": "x"}]),
        ("a.jsonl", lines, ROWS),
        ("a.json", json.dumps(ROWS), ROWS),
    ):
        data = on.Dataset(write(tmp_path, name, text))
        assert list(data.rows()) == expected, name
    endless = on.Dataset(write(tmp_path, "long.csv", "n\n" + "1\n" * 100_000 + '"'))
    rows = endless.rows()
    assert next(rows) == {"n": "1"}


def test_chunks_have_the_rows_in_order(tmp_path):
    data = on.Dataset(write(tmp_path, "a.csv", CSV))
    assert [len(chunk) for chunk in data.chunks(2)] == [2, 1]
    assert [row for chunk in data.chunks(2) for row in chunk] == AS_TEXT
    with pytest.raises(ValueError, match="at least 1"):
        next(data.chunks(0))


def test_a_folder_has_files_and_is_no_table(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("deep/b.csv", "a.txt"):
        write(tmp_path, name, "x")
    data = on.Dataset(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in data.files()] == ["a.txt", "deep/b.csv"]
    assert data.format == "folder"
    with pytest.raises(IsADirectoryError, match="folder"):
        data.open()
    with pytest.raises(ValueError, match="one of its `files"):
        data.rows()
    other = on.Dataset(write(tmp_path, "x.bin", "x"))
    assert other.files() == [other.path] and other.open().read() == b"x"
    with pytest.raises(ValueError, match="no table"):
        other.pandas()


def test_frames_of_every_library(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    feather.write_feather(table, tmp_path / "a.arrow")
    write(tmp_path, "a.csv", CSV)
    write(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))
    for name in ("a.parquet", "a.arrow", "a.csv", "a.jsonl"):
        data = on.Dataset(tmp_path / name)
        if name != "a.csv":
            assert list(data.rows()) == ROWS, name
        else:
            # Arrow reads lines that end inside of a cell when it is told to; Onstage's own rows always do.
            write(tmp_path, "a.csv", CSV.replace("\nlines", " lines"))
        assert data.arrow().column("n").to_pylist() == [1, 2, 3], name
        for library in ("pandas", "polars"):
            pytest.importorskip(library)
            assert list(getattr(data, library)()["n"]) == [1, 2, 3], (name, library)


def test_without_a_library_the_error_says_which(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    code = f"""
import sys
sys.path.insert(0, {str(Path(on.__file__).parents[1])!r})
for name in ("pyarrow", "polars", "pandas"):
    sys.modules[name] = None
import onstage as on
try:
    next(on.Dataset({str(path)!r}).rows())
except ImportError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert (
        said == "reading `a.parquet` (parquet) needs pyarrow, polars or pandas; add one to the model's requirements\n"
    )


def test_the_input_is_a_name_and_the_host_places_it(tmp_path):
    @on.predict
    def count(data: on.Dataset) -> int:
        return len(list(data.rows()))

    schema = checked(count).schema()["components"]["schemas"]["Input"]["properties"]["data"]
    assert (schema["type"], schema["format"], schema["x-onstage-type"]) == ("string", "dataset", "dataset")
    path = write(tmp_path, "a.csv", CSV)
    placed = {"$path": str(path), "name": "a.csv", "media_type": "text/csv", "dataset": "labels@v3"}
    data = DatasetOf().decode(placed, Incoming())
    assert (data.name, data.version, data.path) == ("labels", 3, path)
    assert repr(data) == "Dataset('labels@v3')"
    assert len(list(data.rows())) == 3
    plain = on.Dataset(path)
    assert (plain.name, plain.version, repr(plain)) == ("a.csv", None, "Dataset('a.csv')")
    assert count(plain) == 3
