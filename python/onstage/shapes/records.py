"""Shapes of named fields: dataclasses, TypedDicts and pydantic models; and `Field`, one named value with its rules.

It must not know how annotations are turned into shapes.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional

from onstage.errors import BadInput, BadOutput, DeclarationError
from onstage.inputs import MISSING, InputRules
from onstage.shapes.base import REF, Book, Schema, Shape
from onstage.shapes.loose import anything
from onstage.shapes.rules import apply_rules, check_default
from onstage.wire import Incoming, Outgoing


class Field:
    """One parameter of a function or one field of a record."""

    __slots__ = ("default", "factory", "name", "rules", "shape", "where")

    def __init__(self, name: str, shape: Shape, rules: Optional[InputRules], default: Any, where: str) -> None:
        self.name = name
        self.shape = shape
        self.rules = rules
        self.default = default
        self.factory: Optional[Callable[[], Any]] = None
        self.where = where

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.factory is None

    def schema(self, book: Book, order: int) -> Schema:
        made = self.shape.schema(book)
        if "$ref" in made:
            # Siblings of `$ref` are ignored by older readers; Cog writes the same wrapper.
            made = {"allOf": [made]}
        made["title"] = in_words(self.name)
        made["x-order"] = order
        if self.rules is not None:
            made = apply_rules(made, self.rules, self.shape, self.where)
        if self.default is not MISSING and self.default is not None:
            try:
                made["default"] = self.shape.default(self.default)
            except BadOutput as error:
                raise DeclarationError(f"the default of {self.where} does not fit its type: {error}") from None
            if made["default"] is None:
                del made["default"]
            else:
                check_default(made, self.where)
        return made

    def given_default(self) -> Any:
        """What the function gets where the value is left out."""
        try:
            return self.shape.given(self.default)
        except (ValueError, TypeError) as error:
            raise DeclarationError(f"the default of {self.where} does not fit its type: {error}") from None


def in_words(name: str) -> str:
    """`draws_per_fish` as "Draws per fish"."""
    words = re.sub(r"[_\s]+", " ", name).strip() or name
    return words[:1].upper() + words[1:]


def object_schema(title: str, fields: List[Field], book: Book) -> Schema:
    return {
        "type": "object",
        "title": title,
        "properties": {field.name: field.schema(book, order) for order, field in enumerate(fields)},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


class Record(Shape):
    """A dataclass (`make` builds it from keywords) or a TypedDict (`make` is `dict`)."""

    def __init__(self, cls: type, make: Callable[..., Any]) -> None:
        self._cls = cls
        self._make = make
        self.fields: List[Field] = []
        self.words = f"a `{cls.__name__}`"

    def schema(self, book: Book) -> Schema:
        return book.ref(self._cls, self._cls.__name__, lambda: object_schema(self._cls.__name__, self.fields, book))

    def decode(self, value: Any, incoming: Incoming) -> Any:
        if not isinstance(value, dict):
            raise self.bad_input(value)
        found: Dict[str, Any] = {}
        for field in self.fields:
            if field.name in value:
                try:
                    found[field.name] = field.shape.decode(value[field.name], incoming)
                except BadInput as error:
                    raise BadInput(f"`{field.name}`: {error}") from None
            elif field.required:
                raise BadInput(f"`{field.name}` is missing in {self.words}")
            elif self._make is not dict and field.factory is None:
                found[field.name] = field.given_default()
        return self._make(**found)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if not isinstance(value, (dict, self._cls) if self._make is not dict else dict):
            raise self.refuse(value, at)
        made: Dict[str, Any] = {}
        for field in self.fields:
            inner = value.get(field.name, MISSING) if isinstance(value, dict) else getattr(value, field.name, MISSING)
            if inner is not MISSING:
                made[field.name] = field.shape.encode(inner, outgoing, f"{at}.{field.name}")
            elif field.required:
                raise BadOutput(f"`{field.name}` is missing in {at}")
        if isinstance(value, dict) and len(made) != len(value):
            extra = ", ".join(f"`{key}`" for key in value if key not in made)
            raise BadOutput(f"{at} has fields that `{self._cls.__name__}` does not have: {extra}")
        return made


class Model(Shape):
    """A pydantic model, which knows its own schema."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        self.words = f"a `{cls.__name__}`"

    def schema(self, book: Book) -> Schema:
        return book.ref(self._cls, self._cls.__name__, lambda: self._build(book))

    def _build(self, book: Book) -> Schema:
        made: Schema = self._cls.model_json_schema(ref_template=REF + "{model}")
        for name, inner in made.pop("$defs", {}).items():
            book.schemas.setdefault(name, inner)
        return made

    def decode(self, value: Any, incoming: Incoming) -> Any:
        try:
            return self._cls.model_validate(value)
        except ValueError as error:
            raise BadInput(str(error)) from None

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if not isinstance(value, self._cls):
            try:
                value = self._cls.model_validate(value)
            except ValueError:
                raise self.refuse(value, at) from None
        return anything(value.model_dump(mode="json"), outgoing, at)
