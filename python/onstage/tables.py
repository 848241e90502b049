"""`Table`: a CSV, TSV, JSON, JSON Lines or Parquet file, read in the library at hand.

It must not import pandas, polars or pyarrow until their method is called.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Dict, List, Mapping, Sequence, cast

from onstage import readers
from onstage.files import File


class Table(File):
    """Rows and columns; may also be made from a list of dicts or a pandas, polars or arrow table."""

    media_type_default = "text/csv"
    suffix_default = ".csv"
    default_stem = "table"

    def _take_other(self, source: Any) -> None:
        from onstage import foreign

        if isinstance(source, (list, tuple)):
            self._data = rows_to_csv(source)
            return
        encoded = foreign.table_csv(source)
        if encoded is None:
            super()._take_other(source)
        self._data = encoded

    @property
    def format(self) -> str:
        """One of `csv`, `tsv`, `json`, `jsonl`, `parquet`, `arrow`, judged by name, type and first bytes."""
        kind = readers.kind_of_name(self.name)
        if kind is None and self._media_type:
            kind = readers.kind_of_type(self._media_type)
        if kind is None:
            with self.open() as file:
                kind = readers.kind_of_bytes(file.read(8))
        return kind or "csv"

    def rows(self) -> List[Dict[str, Any]]:
        """One dict per row. Values of CSV and TSV are text; JSON and Parquet keep their types."""
        kind = self.format
        if kind in readers.TEXT_KINDS:
            with self.open() as file:
                return list(readers.text_rows(kind, file))
        return cast("List[Dict[str, Any]]", self.arrow().to_pylist())

    def pandas(self) -> Any:
        """The table as a `pandas.DataFrame`."""
        return readers.pandas(self.format, self.open())

    def polars(self) -> Any:
        """The table as a `polars.DataFrame`."""
        return readers.polars(self.format, self.open())

    def arrow(self) -> Any:
        """The table as a `pyarrow.Table`."""
        made = readers.arrow(self.format, self.open())
        if made is not None:
            return made
        import pyarrow

        return pyarrow.Table.from_pylist(self.rows())


def rows_to_csv(rows: Sequence[Any]) -> bytes:
    """A list of dicts as CSV; the columns are all keys in the order they first appear."""
    from onstage.foreign import is_missing

    columns: Dict[str, None] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"`Table` wants a list of dicts, not a list of {type(row).__name__}")
        columns.update(dict.fromkeys(str(key) for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # What is not a number is an empty cell, as pandas writes it.
        writer.writerow({str(key): None if is_missing(value) else value for key, value in row.items()})
    return text.getvalue().encode()
