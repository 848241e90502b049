"""Shapes of many values: lists, mappings, optional values and streams.

It must not know what the values inside are.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Optional, Set

from onstage import foreign
from onstage.shapes.base import Book, Schema, Shape
from onstage.shapes.loose import Loose, key_text, list_of
from onstage.wire import Incoming, Outgoing


class ListOf(Shape):
    """A list; `make` turns the decoded list into another container, such as `tuple`."""

    def __init__(self, item: Shape, make: Optional[Callable[[list], Any]] = None) -> None:
        self.item = item
        self._make = make
        self.words = "a list" if isinstance(item, Loose) else f"a list ({item.words} each)"
        self.direct = item.direct and make is None

    def schema(self, book: Book) -> Schema:
        return {"type": "array", "items": self.item.schema(book)}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if not isinstance(value, list):
            raise self.bad_input(value)
        if not self.item.direct:
            value = self.item.decode_all(value, incoming)
        return self._make(value) if self._make else value

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            plain = foreign.plain(value)
            found = plain if plain is not value else foreign.records(value)
            if found is None or found is value:
                found = list_of(value)
            if not isinstance(found, list):
                raise self.refuse(value, at)
            value = found
        if value and self.item.passes(set(map(type, value)), value):
            return list(value)
        encode = self.item.encode
        return [encode(inner, outgoing, f"{at}[{index}]") for index, inner in enumerate(value)]

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        passes = self.item.passes
        return kinds == {list} and all(value and passes(set(map(type, value)), value) for value in values)


class MapOf(Shape):
    def __init__(self, value: Shape) -> None:
        self.value = value
        self.words = "a dict" if isinstance(value, Loose) else f"a dict ({value.words} each)"
        self.direct = value.direct

    def schema(self, book: Book) -> Schema:
        inner = self.value.schema(book)
        return {"type": "object", "additionalProperties": inner} if inner else {"type": "object"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if not isinstance(value, dict):
            raise self.bad_input(value)
        if self.value.direct:
            return value
        return dict(zip(value, self.value.decode_all(list(value.values()), incoming)))

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if foreign.is_series(value) and hasattr(value, "to_dict"):
            value = value.to_dict()
        if not isinstance(value, dict):
            raise self.refuse(value, at)
        if self.passes({dict}, [value]):
            return dict(value)
        encode = self.value.encode
        return {key_text(key, at): encode(inner, outgoing, f"{at}.{key}") for key, inner in value.items()}

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        passes = self.value.passes
        return kinds == {dict} and all(
            set(map(type, value)) == {str} and passes(set(map(type, value.values())), value.values())
            for value in values
        )


class ScoresOf(MapOf):
    def __init__(self, number: Shape) -> None:
        super().__init__(number)
        self.words = "a number for each label"

    def schema(self, book: Book) -> Schema:
        return {"type": "object", "additionalProperties": {"type": "number"}, "x-onstage-type": "scores"}


class Maybe(Shape):
    """A value or nothing. In an answer, NaN means nothing where a number is optional."""

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        self.words = f"{inner.words} or nothing"
        self.direct = inner.direct
        self.fresh = inner.fresh

    def schema(self, book: Book) -> Schema:
        inner = self.inner.schema(book)
        if not inner:
            return {}
        if "$ref" in inner or not isinstance(inner.get("type"), str):
            return {"anyOf": [inner, {"type": "null"}], "nullable": True}
        inner["type"] = [inner["type"], "null"]
        if "enum" in inner:
            inner["enum"] = [*inner["enum"], None]
        return {**inner, "nullable": True}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        return None if value is None else self.inner.decode(value, incoming)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        return None if foreign.is_missing(value) else self.inner.encode(value, outgoing, at)

    def given(self, default: Any) -> Any:
        return None if default is None else self.inner.given(default)


class Stream(Shape):
    """What a generator yields; each piece is encoded alone."""

    def __init__(self, item: Shape) -> None:
        self.item = item
        self.words = f"a generator ({item.words} each)"

    def schema(self, book: Book) -> Schema:
        item = self.item.schema(book)
        made = {"type": "array", "items": item, "x-cog-array-type": "iterator"}
        if item.get("type") == "string" and "format" not in item:
            made["x-cog-array-display"] = "concatenate"
        return made
