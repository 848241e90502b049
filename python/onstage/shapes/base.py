"""`Shape`: one declared type as a JSON Schema, a way in and a way out; and `Book`, the named schemas beside it.

It must not know which Python annotation made it.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, List, Set

from onstage.errors import BadInput, BadOutput
from onstage.wire import Incoming, Outgoing

Schema = Dict[str, Any]
REF = "#/components/schemas/"


class Book:
    """The schemas that have a name of their own, in the order they were first needed."""

    def __init__(self) -> None:
        self.schemas: Dict[str, Schema] = {"Input": {}, "Output": {}}
        self._names: Dict[Any, str] = {}

    def ref(self, owner: Any, name: str, build: Callable[[], Schema]) -> Schema:
        """A `$ref` to the schema of `owner`, built once; a second owner of the same name gets a number."""
        if owner not in self._names:
            free, number = name, 2
            while free in self.schemas:
                free, number = f"{name}{number}", number + 1
            self._names[owner] = free
            self.schemas[free] = {}
            self.schemas[free] = build()
        return {"$ref": REF + self._names[owner]}


class Shape:
    """Any JSON value; the types below narrow it."""

    words = "any value"
    direct = False
    """Whether an input of this shape is passed on exactly as JSON gave it."""
    fresh = False
    """Whether a default is made anew for each call."""

    def schema(self, book: Book) -> Schema:
        raise NotImplementedError

    def decode(self, value: Any, incoming: Incoming) -> Any:
        """The Python value of an input. Raises BadInput."""
        return value

    def decode_all(self, values: List[Any], incoming: Incoming) -> List[Any]:
        """The Python values of many inputs of this shape. Raises BadInput."""
        decode = self.decode
        return [decode(value, incoming) for value in values]

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        """The JSON value of an answer. Raises BadOutput, naming the place `at`."""
        raise NotImplementedError

    def default(self, value: Any) -> Any:
        """A Python default as JSON for the schema, or None where JSON cannot tell it."""
        return self.encode(value, Outgoing(), "default")

    def given(self, default: Any) -> Any:
        """What the function gets where the input is left out, given the default that the author wrote."""
        return default

    def passes(self, kinds: Set[type], values: Collection[Any]) -> bool:
        """Whether all values, whose types are `kinds`, is its own JSON, so that none need be looked at."""
        return False

    def refuse(self, value: Any, at: str) -> BadOutput:
        return BadOutput(f"expected {self.words} as {at}, got {named(value)}")

    def bad_input(self, value: Any) -> BadInput:
        return BadInput(f"expected {self.words}, got {named(value)}")


def named(value: Any) -> str:
    """A value in a few words for a message."""
    if value is None:
        return "nothing (None)"
    kind = type(value)
    shown = repr(value)
    if len(shown) > 60 or "\n" in shown or shown.startswith("<"):
        return f"a `{kind.__name__}`"
    return f"`{shown}` ({kind.__name__})"
