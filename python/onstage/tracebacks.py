"""The author's own traceback: without the frames of Onstage and of the import machinery around it.

It must not decide what an error means.
"""

from __future__ import annotations

import os
import traceback
from typing import Optional

from onstage.errors import DeclarationError

TRACEBACK_CHARS_MAX = 64 << 10
MESSAGE_CHARS_MAX = 1_000
FRAMES_MAX = 200

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def text(error: BaseException, root: Optional[str] = None) -> str:
    """The traceback of `error`; file names inside `root` are shown relative to it."""
    told = traceback.TracebackException.from_exception(error, limit=-FRAMES_MAX)
    _strip(told, isinstance(error, DeclarationError))
    code = error.code if isinstance(error, DeclarationError) else None
    if code is not None and not told.stack:
        told.stack.append(traceback.FrameSummary(code.co_filename, code.co_firstlineno, code.co_name))
    lines = "".join(told.format())
    if root:
        lines = lines.replace(f'File "{root.rstrip(os.sep)}{os.sep}', 'File "')
    if len(lines) > TRACEBACK_CHARS_MAX:
        lines = "…\n" + lines[-TRACEBACK_CHARS_MAX:]
    return lines


def one_line(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero`, on one line of bounded length."""
    try:
        shown = "".join(traceback.format_exception_only(type(error), error)).strip()
        if isinstance(error, SyntaxError):
            shown = f"{type(error).__name__}: {error}"
    except Exception:  # an author's broken `__str__` must not hide the error
        shown = type(error).__name__
    first = next((line for line in shown.splitlines() if line.strip()), type(error).__name__)
    return first if len(first) <= MESSAGE_CHARS_MAX else first[:MESSAGE_CHARS_MAX] + "…"


def _strip(told: traceback.TracebackException, everywhere: bool) -> None:
    seen = set()
    waiting = [told]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        frames = list(one.stack)
        if everywhere:
            frames = [frame for frame in frames if not _ours(frame.filename)]
        while frames and _ours(frames[0].filename):
            frames.pop(0)
        one.stack[:] = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
        waiting.extend(link for link in (one.__cause__, one.__context__) if link is not None)


def _ours(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen importlib", "<frozen runpy"))
