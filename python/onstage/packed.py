"""A folder as one file, to be sent.

It must not know where it goes.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Iterator, Union


@contextlib.contextmanager
def packed(source: Union[str, os.PathLike[str]]) -> Iterator[Path]:
    """A TAR of what is in the folder, named after it, which is gone afterwards; a file is sent as it is."""
    folder = Path(source).resolve()
    if not folder.is_dir():
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="onstage-") as temporary:
        place = Path(temporary) / f"{folder.name}.tar"
        with tarfile.open(place, "w", dereference=True) as archive:
            for inner in sorted(folder.iterdir()):
                archive.add(inner, arcname=inner.name)
        yield place
