"""`Dataset`: one version of a named dataset on this host, a file or a folder, read whole, row by row or in frames.

It must not import pandas, polars or pyarrow until their method is called, nor know how the dataset came here.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional

from onstage import readers
from onstage.files import File, Source

_HEAD_BYTES = 8


class Dataset(File):
    """A named, versioned table or folder of files. In a test, make one from a path: `on.Dataset("labels.csv")`."""

    default_stem = "dataset"
    suffix_default = ""

    def __init__(
        self,
        source: Source,
        *,
        name: Optional[str] = None,
        media_type: Optional[str] = None,
        reference: Optional[str] = None,
    ) -> None:
        super().__init__(source, name=name, media_type=media_type)
        dataset, _, version = (reference or "").partition("@v")
        self._dataset = dataset
        self.version: Optional[int] = int(version) if version.isdecimal() else None
        """The version's number, or None outside of Onstage."""

    @property
    def name(self) -> str:
        """The dataset's name; outside of Onstage, the file's."""
        return self._dataset or super().name

    @property
    def format(self) -> str:
        """One of `csv`, `tsv`, `json`, `jsonl`, `parquet`, `arrow`, `folder` and `other`."""
        if self.path.is_dir():
            return "folder"
        kind = readers.kind_of_name(self.path.name) or readers.kind_of_type(self.media_type)
        if kind is None:
            with self.path.open("rb") as file:
                kind = readers.kind_of_bytes(file.read(_HEAD_BYTES))
        return kind or "other"

    def open(self) -> IO[bytes]:
        """The file as an open binary file. A dataset that is a folder has `files()` instead."""
        if self.path.is_dir():
            raise IsADirectoryError(f"the dataset `{self.name}` is a folder: open one of its `files()`")
        return super().open()

    def files(self) -> List[Path]:
        """Every file of the dataset, sorted by path."""
        if self.path.is_dir():
            return sorted(path for path in self.path.rglob("*") if path.is_file())
        return [self.path]

    def rows(self) -> Iterator[Dict[str, Any]]:
        """One dict per row, read as they are asked for. Values of CSV are text; the other formats keep their types."""
        return readers.rows(self._table(), self.path)

    def chunks(self, rows: int) -> Iterator[List[Dict[str, Any]]]:
        """The rows in lists of so many, the last one shorter."""
        if rows < 1:
            raise ValueError(f"a chunk has at least 1 row, not {rows}")
        left = self.rows()
        while True:
            chunk = list(itertools.islice(left, rows))
            if not chunk:
                return
            yield chunk

    def pandas(self) -> Any:
        """The table as a `pandas.DataFrame`."""
        kind = self._table()
        return readers.pandas(kind, self.path, self._delimiter(kind))

    def polars(self) -> Any:
        """The table as a `polars.DataFrame`."""
        kind = self._table()
        return readers.polars(kind, self.path, self._delimiter(kind))

    def arrow(self) -> Any:
        """The table as a `pyarrow.Table`."""
        kind = self._table()
        made = readers.arrow(kind, self.path, self._delimiter(kind))
        if made is not None:
            return made
        import pyarrow

        return pyarrow.Table.from_pylist(list(self.rows()))

    def _delimiter(self, kind: str) -> str:
        return readers.delimiter_of(self.path) if kind == "csv" else ","

    def _table(self) -> str:
        kind = self.format
        if kind == "folder":
            raise ValueError(
                f"the dataset `{self.name}` is a folder, not a table: make an `on.Dataset` of one of its `files()`"
            )
        if kind == "other":
            raise ValueError(f"the dataset `{self.name}` is no table: read it with `open()` or by its `path`")
        return kind

    def __repr__(self) -> str:
        shown = f"{self.name}@v{self.version}" if self.version else self.name
        return f"Dataset({shown!r})"
