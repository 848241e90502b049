"""The errors an author may raise and those the SDK raises for them.

It must not know how errors travel: `onstage.worker` turns them into the protocol's kinds.
"""

from __future__ import annotations

from types import CodeType
from typing import Optional


class UserError(Exception):
    """Raised by the author's code on purpose; the message is shown to the person who asked, word for word."""

    def __init__(self, message: str, *, field: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = str(message)
        self.field = field


class Cancelled(BaseException):
    """Raised inside the author's code when nobody wants the answer any more.

    It is a `BaseException` so that `except Exception` does not swallow it; `finally` blocks run as usual.
    """


class DeclarationError(TypeError):
    """A decorator, annotation or default that Onstage cannot use; the message says what is allowed."""

    code: Optional[CodeType] = None
    """The author's function that it is about, where no line of theirs was running."""


class BadInput(Exception):
    """An input that does not fit the declared type."""

    def __init__(self, message: str, *, field: Optional[str] = None) -> None:
        super().__init__(message)
        self.field = field


class BadOutput(Exception):
    """An answer that does not fit the declared type."""


class Unresolved(Exception):
    """Something that cannot be known without importing the author's libraries."""
