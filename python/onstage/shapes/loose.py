"""The shape of an undeclared answer: whatever is JSON, a file, a picture, a table or a chart.

It must not be stricter than JSON, but a number that is not finite has no place in JSON.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import math
import os
import uuid
from pathlib import Path
from typing import Any, Optional

from onstage import foreign
from onstage.errors import BadOutput
from onstage.files import File, Image
from onstage.shapes.base import Book, Schema, Shape, named
from onstage.tables import Table
from onstage.wire import Incoming, Outgoing

_JSON = frozenset((str, int, bool, type(None)))
_LISTS = (collections.abc.Sequence, collections.abc.Set, collections.abc.ValuesView)


class Loose(Shape):
    words = "any value"

    def schema(self, book: Book) -> Schema:
        return {}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        return incoming.anywhere(value) if incoming.present else value

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        return anything(value, outgoing, at)


def anything(value: Any, outgoing: Outgoing, at: str) -> Any:
    """`value` as JSON, its bytes as attachments. Raises BadOutput, naming the place `at`."""
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, enum.Enum):
        return anything(value.value, outgoing, at)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadOutput(f"expected a finite number as {at}, got {float(value)}")
        return float(value)
    if isinstance(value, dict):
        return {key_text(key, at): anything(inner, outgoing, f"{at}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        kinds = set(map(type, value))
        if kinds <= _JSON or (kinds == {float} and all(map(math.isfinite, value))):
            # A list of many numbers is common, and looking at each by itself is slow.
            return list(value)
        return [anything(inner, outgoing, f"{at}[{index}]") for index, inner in enumerate(value)]
    if isinstance(value, (str, int)):
        return str(value) if isinstance(value, str) else int(value)
    return _bytes(value, outgoing, at)


def _bytes(value: Any, outgoing: Outgoing, at: str) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return outgoing.add(value)
    if isinstance(value, File):
        return outgoing.add_file(value)
    if isinstance(value, os.PathLike):
        return outgoing.add_path(Path(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return anything(fields, outgoing, at)
    if isinstance(value, (datetime.date, datetime.time)) and not hasattr(value, "to_numpy"):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return anything(float(value), outgoing, at)
    if callable(getattr(value, "model_dump", None)) and not isinstance(value, type):
        return anything(value.model_dump(mode="json"), outgoing, at)
    if isinstance(value, collections.abc.Mapping):
        return anything(dict(value), outgoing, at)
    found = list_of(value)
    if found is not None:
        return anything(found, outgoing, at)
    return _foreign(value, outgoing, at)


def _foreign(value: Any, outgoing: Outgoing, at: str) -> Any:
    plain = foreign.plain(value)
    if plain is not value:
        return anything(plain, outgoing, at)
    if foreign.is_picture(value):
        return outgoing.add_file(Image(value))
    if foreign.is_frame(value):
        return outgoing.add_file(Table(value))
    chart = foreign.vega_lite(value)
    if chart is not None:
        return anything(chart, outgoing, at)
    raise BadOutput(f"{named(value)} as {at} cannot be sent; return text, numbers, lists, dicts, dataclasses or files")


def list_of(value: Any) -> Optional[list]:
    """A range, deque, view of a dict or other sequence as a list, or None when it is none."""
    if isinstance(value, _LISTS) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return list(value)
    return None


def key_text(key: Any, at: str) -> str:
    """A dict key as JSON knows it."""
    key = foreign.plain(key)
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (int, float)):
        return str(key)
    if isinstance(key, datetime.date):
        return key.isoformat()
    raise BadOutput(f"{named(key)} is a key in {at}, where text is expected")
