"""Shapes of files and of other libraries' values: images, tables, plots, arrays.

It must not import those libraries before a value of theirs is asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Type

from onstage import foreign
from onstage.dataset import Dataset
from onstage.errors import BadOutput
from onstage.files import Audio, File, Image, Video
from onstage.shapes.base import Book, Schema, Shape
from onstage.shapes.loose import anything
from onstage.tables import Table
from onstage.wire import Incoming, Outgoing

KINDS = {File: "file", Image: "image", Audio: "audio", Video: "video", Table: "table", Dataset: "dataset"}


class FileOf(Shape):
    """A file of one kind; `read` turns it into what the function wants (a path, a frame, a picture)."""

    fresh = True

    def __init__(self, kind: Type[File], read: Any = None) -> None:
        self._kind = kind
        self._read: Any = read
        self.words = {
            "file": "a file",
            "image": "an image",
            "audio": "a sound",
            "table": "a table (a frame, a list of dicts or a file)",
        }.get(KINDS[kind], f"a {KINDS[kind]}")

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "format": "uri", "x-onstage-type": KINDS[self._kind]}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        file = incoming.take(value, self._kind)
        return self._read(file) if self._read else file

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if isinstance(value, File):
            return outgoing.add_file(value)
        if isinstance(value, os.PathLike):
            return outgoing.add_path(Path(value))
        if isinstance(value, str):
            # Text is more often a mistake than a path, so only an existing file is taken for one.
            if os.path.isfile(value):
                return outgoing.add_path(Path(value))
            raise self.refuse(value, at)
        try:
            return outgoing.add_file(self._kind(value))
        except TypeError:
            raise self.refuse(value, at) from None
        except ValueError as error:
            # A picture of an odd shape, for one; the reason is what helps.
            raise BadOutput(f"expected {self.words} as {at}: {error}") from None

    def default(self, value: Any) -> Any:
        """Nothing: the author's file lies beside the model, where nobody who fills in the form can reach it."""
        if not isinstance(value, (str, os.PathLike, bytes, File)):
            raise self.refuse(value, "default")

    def given(self, default: Any) -> Any:
        if default is None:
            return None
        file = self._kind(default)
        return self._read(file) if self._read else file


class DatasetOf(FileOf):
    """A dataset, named in the input as `labels` or `labels@v3`; the host puts it on this disk."""

    def __init__(self) -> None:
        super().__init__(Dataset)
        self.words = "a dataset"

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "format": "dataset", "x-onstage-type": "dataset"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        made = incoming.take(value, Dataset)
        reference = value.get("dataset")
        return made if reference is None else Dataset(made, reference=str(reference))

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        # What was made belongs into a file; a dataset is what others refer to.
        raise self.refuse(value, at)


class Plot(Shape):
    words = "a Vega-Lite specification, an Altair chart or a matplotlib figure"

    def schema(self, book: Book) -> Schema:
        return {"type": "object", "x-onstage-type": "plot"}

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        chart = value if isinstance(value, dict) else foreign.vega_lite(value)
        if chart is None:
            raise self.refuse(value, at)
        return anything(chart, outgoing, at)


class Array(Shape):
    """`numpy.ndarray` as nested lists."""

    words = "an array"

    def schema(self, book: Book) -> Schema:
        return {"type": "array", "items": {}}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        import numpy

        return numpy.asarray(value)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        plain = foreign.plain(value)
        if not isinstance(plain, (list, tuple)):
            raise self.refuse(value, at)
        return anything(plain, outgoing, at)


_FOREIGN: dict[tuple[str, str], Callable[[], Shape]] = {
    ("numpy", "ndarray"): Array,
    ("torch", "Tensor"): Array,
    ("pandas", "DataFrame"): lambda: FileOf(Table, Table.pandas),
    ("polars", "DataFrame"): lambda: FileOf(Table, Table.polars),
    ("pyarrow", "Table"): lambda: FileOf(Table, Table.arrow),
    ("PIL", "Image"): lambda: FileOf(Image, Image.pil),
    ("matplotlib", "Figure"): lambda: FileOf(Image),
    ("altair", "Chart"): Plot,
    ("altair", "LayerChart"): Plot,
    ("altair", "HConcatChart"): Plot,
    ("altair", "VConcatChart"): Plot,
}


def foreign_shape(dotted: str) -> Shape | None:
    """The shape of another library's class, given its dotted name (`numpy.ndarray`), or None."""
    parts = dotted.split(".")
    make = _FOREIGN.get((parts[0], parts[-1]))
    return make() if make else None
