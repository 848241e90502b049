"""What `Input(...)` adds to a parameter's schema, and whether a rule fits the type it is put on.

It must not know where the rules were written.
"""

from __future__ import annotations

import re
from typing import Any

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
        schema["description"] = str(rules.help)
    _limits(schema, rules, inner, where)
    _lengths(schema, rules, inner, where)
    if rules.regex is not None:
        _need(isinstance(inner, Text), "regex", "text", where)
        try:
            re.compile(rules.regex)
        except re.error as error:
            raise DeclarationError(f"`regex` of {where} is not a regular expression: {error}") from None
        schema["pattern"] = rules.regex
    if rules.choices is not None:
        _choices(schema, rules.choices, inner, where)
        if isinstance(shape, Maybe):
            schema["enum"].append(None)
    return schema


def _limits(schema: Schema, rules: InputRules, inner: Shape, where: str) -> None:
    for key, rule, value in (("minimum", "ge", rules.ge), ("maximum", "le", rules.le)):
        if value is not None:
            _need(isinstance(inner, (Integer, Number)), rule, "a number", where)
            schema[key] = value
    if rules.ge is not None and rules.le is not None and rules.ge > rules.le:
        raise DeclarationError(f"`ge` of {where} is larger than its `le`")
    default = rules.default
    if isinstance(default, (int, float)) and isinstance(inner, (Integer, Number)):
        below = rules.ge is not None and default < rules.ge
        if below or (rules.le is not None and default > rules.le):
            raise DeclarationError(f"the default of {where} is outside its own limits")


def _lengths(schema: Schema, rules: InputRules, inner: Shape, where: str) -> None:
    noun = "Items" if isinstance(inner, ListOf) else "Length"
    for key, rule, value in (("min", "min_length", rules.min_length), ("max", "max_length", rules.max_length)):
        if value is not None:
            _need(isinstance(inner, (Text, ListOf)), rule, "text or a list", where)
            schema[key + noun] = value


def _choices(schema: Schema, choices: list, inner: Shape, where: str) -> None:
    _need(isinstance(inner, (Text, Integer, Number, Choice)), "choices", "text or a number", where)
    if not choices:
        raise DeclarationError(f"`choices` of {where} is empty")
    kinds = type_of(choices).get("type")
    wanted = {"string": Text, "integer": (Integer, Number), "number": Number}.get(str(kinds), Choice)
    if not isinstance(inner, wanted):  # type: ignore[arg-type]
        raise DeclarationError(f"`choices` of {where} must be of its type: {inner.words}")
    schema["enum"] = list(choices)


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
