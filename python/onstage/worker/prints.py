"""`Prints`: the author's standard output and error, each line labelled with the item that printed it.

It must not buffer past a line's end: a log is read while the code runs.
"""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, Callable, List, Optional

MARK = "\x1e"


class Prints(io.TextIOWrapper):
    """A text stream that writes a mark when the item that prints has changed since the last line."""

    def __init__(self, buffer: BinaryIO) -> None:
        super().__init__(buffer, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
        self.item: Callable[[], Optional[int]] = lambda: None
        self._marked: Optional[int] = None
        self._mid_line = False
        self.dirty = False

    def write(self, text: str) -> int:
        if not text:
            return 0
        item = self.item()
        if item != self._marked:
            self._mark(item)
        self.dirty = True
        if MARK in text:
            # A line of the author's that begins with a mark would change the label, and not be shown.
            super().write(text.replace(MARK, "\\x1e"))
        else:
            super().write(text)
        self._mid_line = not text.endswith("\n")
        return len(text)

    def close(self) -> None:
        """Only flush: a library that closes standard output must not cost later predictions their prints."""
        self.flush()

    def end_item(self) -> None:
        """Finish a line left open and end the label, so that nothing later is taken for this item's."""
        if self._mid_line:
            super().write("\n")
            self._mid_line = False
        if self._marked is not None:
            self._mark(None)
        self.flush()
        self.dirty = False

    def _mark(self, item: Optional[int]) -> None:
        start = "\n" if self._mid_line else ""
        self._mid_line = False
        self._marked = item
        super().write(f"{start}{MARK}{'' if item is None else item}\n")


class Output:
    """Both streams of the process, and what C libraries hold back in buffers of their own."""

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._streams: List[Prints] = [Prints(open(1, "wb", closefd=False)), Prints(open(2, "wb", closefd=False))]
        sys.stdout, sys.stderr = self._streams
        self._flush_c = _c_flush()

    def label(self, item: Callable[[], Optional[int]]) -> None:
        """From now on lines belong to the item that this tells."""
        for stream in self._streams:
            stream.item = item

    def end_item(self) -> None:
        for stream in self._streams:
            if stream.dirty:
                try:
                    stream.end_item()
                except (ValueError, OSError):
                    # The author's code has closed the file below the stream; its lines are lost, not its answer.
                    stream.dirty = False

    def flush(self) -> None:
        """Everything printed so far is in the pipes when this returns."""
        for stream in self._streams:
            try:
                # Also when nothing was printed: bytes may have been written to `sys.stdout.buffer`.
                stream.flush()
            except (ValueError, OSError):
                pass
        self._flush_c(None)


def _c_flush() -> Callable[[Any], Any]:
    """`fflush`, called with None for all of C's streams."""
    try:
        import ctypes

        flush: Callable[[Any], Any] = ctypes.CDLL(None).fflush
        return flush
    except (ImportError, OSError, AttributeError):
        return lambda _: None
