"""`Stub`: stands for something of a library that has not been imported.

It must not pretend: whatever needs the real thing raises `Unresolved`.
"""

from __future__ import annotations

from typing import Any

from onstage.errors import Unresolved


class Stub:
    """A dotted name such as `numpy.ndarray`; attributes are longer dotted names."""

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted

    def __getattr__(self, name: str) -> Stub:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Stub(f"{self.dotted}.{name}")

    def _unresolved(self, *_: Any, **__: Any) -> Any:
        raise Unresolved(f"`{self.dotted}` is not imported")

    # `typing` only accepts what can be called as an argument of `Optional[…]`.
    __call__ = _unresolved
    __getitem__ = _unresolved
    __iter__ = _unresolved
    __mro_entries__ = _unresolved
    __bool__ = _unresolved
    __len__ = _unresolved
    __or__ = _unresolved
    __ror__ = _unresolved
    __add__ = _unresolved
    __radd__ = _unresolved
    __sub__ = _unresolved
    __mul__ = _unresolved
    __lt__ = _unresolved
    __gt__ = _unresolved
    __contains__ = _unresolved
    __enter__ = _unresolved

    def __repr__(self) -> str:
        return f"<{self.dotted}, not imported>"
