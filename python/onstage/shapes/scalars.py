"""Shapes of single values: text, numbers, yes or no, dates, choices, nothing.

It must not know containers or files.
"""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any, Collection, List, Optional, Sequence, Set, Type

from onstage import foreign
from onstage.errors import BadOutput
from onstage.shapes.base import Book, Schema, Shape
from onstage.wire import Incoming, Outgoing

INTEGER_MIN = -(1 << 63)
INTEGER_MAX = (1 << 64) - 1


class Text(Shape):
    words = "text"
    direct = True

    def schema(self, book: Book) -> Schema:
        return {"type": "string"}

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if isinstance(value, str):
            return value.value if isinstance(value, enum.Enum) else value
        plain = foreign.plain(value)
        if isinstance(plain, str):
            return plain
        raise self.refuse(value, at)

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        return kinds == {str}


class Markdown(Text):
    words = "text in Markdown"

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "x-onstage-type": "markdown"}


class Secret(Text):
    words = "secret text"
    direct = False

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "format": "password", "writeOnly": True, "x-onstage-type": "secret"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        from onstage.values import Secret as SecretText

        return SecretText(value)


class Integer(Shape):
    words = "a whole number"
    direct = False

    def schema(self, book: Book) -> Schema:
        return {"type": "integer"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if type(value) is int:
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise self.bad_input(value)

    def decode_all(self, values: List[Any], incoming: Incoming) -> List[Any]:
        return values if set(map(type, values)) == {int} else super().decode_all(values, incoming)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if type(value) is not int:
            plain = foreign.plain(value)
            if isinstance(plain, bool) or not isinstance(plain, int):
                raise self.refuse(value, at)
            value = int(plain)
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise BadOutput(f"the number as {at} does not fit 64 bits; return it as text")
        return value

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        return kinds == {int} and min(values) >= INTEGER_MIN and max(values) <= INTEGER_MAX


class Number(Shape):
    words = "a number"

    def schema(self, book: Book) -> Schema:
        return {"type": "number"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if type(value) is float:
            return value
        if type(value) is int and math.isfinite(made := _as_float(value)):
            return made
        raise self.bad_input(value)

    def decode_all(self, values: List[Any], incoming: Incoming) -> List[Any]:
        if set(map(type, values)) <= {int, float}:
            try:
                return list(map(float, values))
            except OverflowError:
                pass
        return super().decode_all(values, incoming)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if type(value) is not float:
            value = foreign.plain(value)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise self.refuse(value, at)
            if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
                value = _as_float(value)
        if not math.isfinite(value):
            raise BadOutput(f"expected a finite number as {at}, got {value}")
        return value

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        return kinds == {float} and all(map(math.isfinite, values))


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Boolean(Shape):
    words = "true or false"
    direct = True

    def schema(self, book: Book) -> Schema:
        return {"type": "boolean"}

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        plain = value if isinstance(value, bool) else foreign.plain(value)
        if isinstance(plain, bool):
            return plain
        raise self.refuse(value, at)

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        return kinds == {bool}


class Nothing(Shape):
    words = "nothing (None)"
    direct = True

    def schema(self, book: Book) -> Schema:
        return {"type": "null"}

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if value is None:
            return None
        raise self.refuse(value, at)


class Day(Shape):
    """`datetime.date`, or with `kind` the whole `datetime.datetime`."""

    def __init__(self, kind: Type[datetime.date] = datetime.date) -> None:
        self._kind = kind
        self.words = "a date like 2026-05-31" if kind is datetime.date else "a date and time like 2026-05-31T18:00:00"

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "format": "date" if self._kind is datetime.date else "date-time"}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        try:
            # Python before 3.11 does not read the letter Z.
            return self._kind.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
        except (ValueError, AttributeError, TypeError):
            raise self.bad_input(value) from None

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        plain = foreign.plain(value)
        if not isinstance(plain, self._kind):
            raise self.refuse(value, at)
        if self._kind is datetime.date and isinstance(plain, datetime.datetime):
            return plain.date().isoformat()
        return plain.isoformat()


class Choice(Shape):
    """One of a few values: `Literal`, or an `Enum` whose members stand for their values."""

    def __init__(self, values: Sequence[Any], members: Optional[Type[enum.Enum]] = None) -> None:
        self.values: List[Any] = list(values)
        self._members = members
        self.direct = members is None
        self.words = "one of " + ", ".join(repr(value) for value in self.values)

    def schema(self, book: Book) -> Schema:
        return {**type_of(self.values), "enum": list(self.values)}

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if self._members is None:
            return value
        try:
            return self._members(value)
        except ValueError:
            raise self.bad_input(value) from None

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        plain = value.value if isinstance(value, enum.Enum) else foreign.plain(value)
        for known in self.values:
            if plain == known and isinstance(plain, bool) == isinstance(known, bool):
                return known
        raise self.refuse(value, at)

    def given(self, default: Any) -> Any:
        if self._members is None or default is None or isinstance(default, self._members):
            return default
        return self._members(default)


def type_of(values: Sequence[Any]) -> Schema:
    """The one JSON type that all values share, or an empty schema."""
    kinds = {type(value) for value in values}
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    if kinds == {int, float}:
        return {"type": "number"}
    kind = kinds.pop() if len(kinds) == 1 else None
    return {"type": names[kind]} if kind in names else {}
