"""`File`, `Image`, `Audio`, `Video`: bytes with a name, read in the library at hand.

It must not know the protocol, nor import any library until its method is called.
"""

from __future__ import annotations

import io
import mimetypes
import os
import tempfile
from pathlib import Path
from typing import IO, Any, Callable, Optional, Union

Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, "File", IO[bytes]]

NAME_BYTES_MAX = 200

_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
}


def media_type_of(name: Optional[str], otherwise: str = "application/octet-stream") -> str:
    """The media type that a file name suggests."""
    if not name:
        return otherwise
    known = _TYPES.get(os.path.splitext(name)[1].lower())
    return known or mimetypes.guess_type(name)[0] or otherwise


def _short(name: str) -> str:
    """A file name that every disk takes; the end is kept, because it holds the suffix."""
    while len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        name = name[1:]
    return name.encode("utf-8", "replace").decode()


class File:
    """A file given to or returned by a function: made from a path, bytes or an open binary file."""

    media_type_default = "application/octet-stream"
    suffix_default = ".bin"

    def __init__(self, source: Source, *, name: Optional[str] = None, media_type: Optional[str] = None) -> None:
        self._path: Optional[Path] = None
        self._data: Any = None
        self._folder: Optional[Callable[[], Path]] = None
        if isinstance(source, File):
            self._path, self._data, self._folder = source._path, source._data, source._folder
            name, media_type = name or source.name, media_type or source.media_type
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._data = source
        elif isinstance(source, (str, os.PathLike)):
            self._path = Path(source)
            name = name or self._path.name
        elif hasattr(source, "read"):
            self._data = source.read()
            name = name or os.path.basename(str(getattr(source, "name", ""))) or None
        else:
            self._take_other(source)
        self._name = name
        self._media_type = media_type

    def _take_other(self, source: Any) -> None:
        raise TypeError(
            f"`{type(self).__name__}` wants a path, bytes or an open binary file, not {type(source).__name__}"
        )

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        name = os.path.basename(self._name or "").replace("\0", "")
        return name if name not in ("", ".", "..") else self.default_stem + self.suffix_default

    default_stem = "file"

    @property
    def media_type(self) -> str:
        return self._media_type or media_type_of(self._name, self.media_type_default)

    @property
    def path(self) -> Path:
        """A path on disk. Bytes that came without one are written to a temporary file now."""
        if self._path is None:
            # A folder of its own, so that the file keeps its name: authors look at `path.stem` and `path.suffix`.
            parent = self._folder() if self._folder else None
            made = Path(tempfile.mkdtemp(prefix="onstage-", dir=parent)) / _short(self.name)
            made.write_bytes(self._data)
            self._path = made
        return self._path

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self) -> IO[bytes]:
        """The content as an open binary file."""
        if self._data is not None:
            return io.BytesIO(self.bytes())
        return open(self.path, "rb")

    def bytes(self) -> bytes:
        """The whole content."""
        if self._data is not None:
            # What came as bytes is not copied.
            whole = self._data.obj if isinstance(self._data, memoryview) else self._data
            return whole if isinstance(whole, bytes) and len(whole) == len(self._data) else bytes(self._data)
        return self.path.read_bytes()

    def text(self, encoding: str = "utf-8") -> str:
        """The whole content as text."""
        return self.bytes().decode(encoding)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.media_type!r})"


class Image(File):
    """A picture; may also be made from a PIL image, a matplotlib figure or an array of pixels."""

    media_type_default = "image/png"
    suffix_default = ".png"
    default_stem = "image"

    def _take_other(self, source: Any) -> None:
        from onstage import foreign

        encoded = foreign.image_bytes(source)
        if encoded is None:
            super()._take_other(source)
        self._data = encoded

    def pil(self) -> Any:
        """The picture as a `PIL.Image.Image`, turned upright when the camera says how."""
        from PIL import Image as pil_image
        from PIL import ImageOps

        with self.open() as file:
            picture = pil_image.open(file)
            picture.load()
        return ImageOps.exif_transpose(picture) or picture

    def numpy(self, mode: str = "RGB") -> Any:
        """The picture as an array of bytes: height × width × 3, or as `mode` says (`L`, `RGBA`)."""
        import numpy

        return numpy.asarray(self.pil().convert(mode))


class Audio(File):
    """A sound recording."""

    media_type_default = "audio/wav"
    suffix_default = ".wav"
    default_stem = "audio"


class Video(File):
    """A moving picture."""

    media_type_default = "video/mp4"
    suffix_default = ".mp4"
    default_stem = "video"
