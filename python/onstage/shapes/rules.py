"""What `Input(...)` adds to a parameter's schema, and whether a rule fits the type it is put on.

It must not know where the rules were written.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Any

from onstage import foreign
from onstage.errors import DeclarationError
from onstage.inputs import InputRules
from onstage.shapes.base import Book, Schema, Shape
from onstage.shapes.containers import ListOf, Maybe
from onstage.shapes.scalars import Choice, Integer, Number, Text, type_of
from onstage.wire import Incoming, Outgoing


def apply_rules(schema: Schema, rules: InputRules, shape: Shape, where: str) -> Schema:
    """`schema` with the rules written in. Raises DeclarationError when a rule does not fit the type."""
    inner = shape.inner if isinstance(shape, Maybe) else shape
    if rules.help:
        schema["description"] = rules.help
    _limits(schema, rules, inner, where)
    _lengths(schema, rules, inner, where)
    if rules.regex is not None:
        _need(isinstance(inner, Text), "regex", "text", where)
        try:
            re.compile(rules.regex)
        except (re.error, TypeError) as error:
            raise DeclarationError(f"`regex` of {where} is not a regular expression: {error}") from None
        schema["pattern"] = rules.regex
    if rules.choices is not None:
        _choices(schema, rules.choices, inner, where)
        if isinstance(shape, Maybe):
            schema["enum"].append(None)
    return schema


def check_default(schema: Schema, where: str) -> None:
    """Whether the default in a finished schema keeps the schema's own rules. Raises DeclarationError."""
    default = schema["default"]
    is_number = isinstance(default, (int, float))
    if is_number and not schema.get("minimum", default) <= default <= schema.get("maximum", default):
        raise DeclarationError(f"the default of {where} is outside its own limits")
    if isinstance(default, (str, list)):
        noun = "Length" if isinstance(default, str) else "Items"
        size = len(default)
        if not schema.get("min" + noun, size) <= size <= schema.get("max" + noun, size):
            raise DeclarationError(f"the default of {where} is shorter or longer than it may be")
    if isinstance(default, str) and not re.search(schema.get("pattern", ""), default):
        raise DeclarationError(f"the default of {where} does not match its `regex`")
    if default not in schema.get("enum", [default]):
        raise DeclarationError(f"the default of {where} is not among its choices")


def _limits(schema: Schema, rules: InputRules, inner: Shape, where: str) -> None:
    found = []
    for key, rule, value in (("minimum", "ge", rules.ge), ("maximum", "le", rules.le)):
        if value is not None:
            _need(isinstance(inner, (Integer, Number)), rule, "a number", where)
            limit = foreign.plain(value)
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
                raise DeclarationError(f"`{rule}` of {where} is a finite number, not {value!r}")
            schema[key] = limit
            found.append(limit)
    if found != sorted(found):
        raise DeclarationError(f"`ge` of {where} is larger than its `le`")


def _lengths(schema: Schema, rules: InputRules, inner: Shape, where: str) -> None:
    noun = "Items" if isinstance(inner, ListOf) else "Length"
    found = []
    for key, rule, value in (("min", "min_length", rules.min_length), ("max", "max_length", rules.max_length)):
        if value is not None:
            _need(isinstance(inner, (Text, ListOf)), rule, "text or a list", where)
            if type(value) is not int or value < 0:
                raise DeclarationError(f"`{rule}` of {where} is a whole number from 0, not {value!r}")
            schema[key + noun] = value
            found.append(value)
    if found != sorted(found):
        raise DeclarationError(f"`min_length` of {where} is larger than its `max_length`")


def _choices(schema: Schema, choices: list, inner: Shape, where: str) -> None:
    _need(isinstance(inner, (Text, Integer, Number, Choice)), "choices", "text or a number", where)
    if not choices:
        raise DeclarationError(f"`choices` of {where} is empty")
    plain = [one.value if isinstance(one, enum.Enum) else foreign.plain(one) for one in choices]
    wanted = {"string": Text, "integer": (Integer, Number), "number": Number}.get(str(type_of(plain).get("type")))
    fits = wanted is not None and isinstance(inner, wanted)  # type: ignore[arg-type]
    if isinstance(inner, Choice):
        fits = all(one in inner.values for one in plain)
    if not fits:
        raise DeclarationError(f"`choices` of {where} must be of its type: {inner.words}")
    schema["enum"] = list(dict.fromkeys(plain))


def _need(fits: bool, rule: str, wanted: str, where: str) -> None:
    if not fits:
        raise DeclarationError(f"`{rule}` of {where} needs {wanted}")


class Ruled(Shape):
    """A type with rules inside another: `list[Annotated[int, Input(ge=0)]]`."""

    def __init__(self, inner: Shape, rules: InputRules, where: str) -> None:
        self._inner, self._rules, self._where = inner, rules, where
        self.words, self.direct = inner.words, inner.direct

    def schema(self, book: Book) -> Schema:
        return apply_rules(self._inner.schema(book), self._rules, self._inner, self._where)

    def decode(self, value: Any, incoming: Incoming) -> Any:
        return self._inner.decode(value, incoming)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        return self._inner.encode(value, outgoing, at)

    def given(self, default: Any) -> Any:
        return self._inner.given(default)
