"""`Input`: what an author says about one parameter beyond its type.

It must not know the types themselves; `onstage.shapes` checks that a rule fits its type.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

from onstage.errors import DeclarationError


class _Missing:
    """The one value that means "no default"."""

    def __repr__(self) -> str:
        return "<no default>"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


class InputRules:
    """Help text, default and limits of one parameter, made by `Input(...)`."""

    __slots__ = ("choices", "default", "ge", "help", "le", "max_length", "min_length", "regex")

    def __init__(self, rules: Dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, rules[name])

    help: Optional[str]
    default: Any
    ge: Optional[float]
    le: Optional[float]
    min_length: Optional[int]
    max_length: Optional[int]
    regex: Optional[str]
    choices: Optional[list]

    def __repr__(self) -> str:
        given = [(name, getattr(self, name)) for name in sorted(self.__slots__)]
        shown = ", ".join(f"{name}={value!r}" for name, value in given if value is not None and value is not MISSING)
        return f"Input({shown})"


def Input(  # noqa: N802 - it reads as a type in a signature
    help: Optional[str] = None,
    *,
    default: Any = MISSING,
    ge: Optional[float] = None,
    le: Optional[float] = None,
    min_length: Optional[int] = None,
    max_length: Optional[int] = None,
    regex: Optional[str] = None,
    choices: Optional[Iterable[Any]] = None,
) -> Any:
    """Describe a parameter: as its default value, or inside `Annotated[type, Input(...)]`.

    The return type is `Any` so that `n: int = Input(ge=1)` satisfies type checkers.
    """
    if help is not None and not isinstance(help, str):
        raise DeclarationError(f"`Input` has the help text first, not {help!r}; write `Input(default={help!r})`")
    return InputRules(
        {
            "help": help,
            "default": default,
            "ge": ge,
            "le": le,
            "min_length": min_length,
            "max_length": max_length,
            "regex": regex,
            "choices": None if choices is None else list(choices),
        }
    )
