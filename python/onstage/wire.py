"""How files cross between plain values and a frame: `$attachment` and `$path` objects in, attachments out.

It must not know sockets or messages.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Type, TypeVar

from onstage.errors import BadInput, BadOutput
from onstage.files import File, media_type_of
from onstage.frames import ATTACHMENTS_MAX, Buffer

F = TypeVar("F", bound=File)


class Incoming:
    """The files of one received frame."""

    __slots__ = ("_attachments", "_folder", "present")

    def __init__(
        self,
        attachments: Sequence[Buffer] = (),
        folder: Optional[Callable[[], Path]] = None,
        present: Optional[bool] = None,
    ) -> None:
        self._attachments = attachments
        self._folder = folder
        self.present = bool(attachments) if present is None else present

    def of(self, item: Dict[str, Any]) -> Incoming:
        """The files of one item: its span of the frame's attachments, or all of them when it names none."""
        span = item.get("span")
        if span is None:
            return self
        first, count = span
        return Incoming(self._attachments[first : first + count], self._folder, self.present)

    def take(self, value: Any, kind: Type[F]) -> F:
        """The file that a `$attachment` or `$path` object stands for."""
        if isinstance(value, dict):
            name, media_type = value.get("name"), value.get("media_type")
            if "$attachment" in value:
                made = kind(self._attachment(value["$attachment"]), name=name, media_type=media_type)
                made._folder = self._folder
                return made
            if isinstance(value.get("$path"), str):
                return kind(value["$path"], name=name, media_type=media_type)
        raise BadInput(f"expected a file, got {type(value).__name__}")

    def attached(self, value: Dict[str, Any]) -> Buffer:
        """The bytes that a `$attachment` object stands for, as they lie in the frame."""
        return self._attachment(value["$attachment"])

    def within(self, folder: Callable[[], Path]) -> Incoming:
        """The same files, whose temporary copies go to another folder."""
        return Incoming(self._attachments, folder, self.present)

    def anywhere(self, value: Any) -> Any:
        """Untyped JSON with every file object inside it replaced by a `File`."""
        if isinstance(value, dict):
            if "$attachment" in value or "$path" in value:
                return self.take(value, File)
            return {key: self.anywhere(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.anywhere(inner) for inner in value]
        return value

    def _attachment(self, index: Any) -> Buffer:
        if type(index) is not int or not 0 <= index < len(self._attachments):
            raise BadInput(f"attachment {index!r} is not in this frame")
        return self._attachments[index]


class Outgoing:
    """The attachments of one frame being written; indices start at `first`."""

    __slots__ = ("attachments", "first")

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.attachments: List[Buffer] = []

    def add(self, data: Buffer, name: Optional[str] = None, media_type: Optional[str] = None) -> Dict[str, Any]:
        """Attach bytes and return the object that stands for them."""
        if len(self.attachments) >= ATTACHMENTS_MAX:
            raise BadOutput(f"the answer holds more than {ATTACHMENTS_MAX} files")
        if isinstance(data, memoryview):
            data = data.cast("B") if data.c_contiguous else data.tobytes()
        self.attachments.append(data)
        stand_in: Dict[str, Any] = {"$attachment": self.first + len(self.attachments) - 1}
        if name:
            stand_in["name"] = name
        if media_type:
            stand_in["media_type"] = media_type
        return stand_in

    def add_file(self, file: File) -> Dict[str, Any]:
        data = file._data
        if data is None:
            return self.add_path(file.path, file.name, file.media_type)
        return self.add(data, file.name, file.media_type)

    def add_path(self, path: Path, name: Optional[str] = None, media_type: Optional[str] = None) -> Dict[str, Any]:
        name = name or os.path.basename(str(path))
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BadOutput(f"the answer is the file `{path}`, which cannot be read: {error.strerror}") from None
        return self.add(data, name, media_type or media_type_of(name))
