"""The types that are more than JSON but not files: `Scores`, `Markdown`, `Plot`, `Secret`, `Weights`.

It must not know how they are shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Union

if TYPE_CHECKING:
    # To a type checker these are the plain types, so that a function may simply return them.
    Scores = Dict[str, float]
    Markdown = str
    Plot = Any
else:

    class Scores(dict):
        """A number for each label; shown as bars, the largest first."""

    class Markdown(str):
        """Text shown as Markdown."""

        __slots__ = ()

    class Plot(dict):
        """A Vega-Lite specification, or anything that can be turned into one."""


class Secret(str):
    """Text that is not kept and not shown; `repr` hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class Weights:
    """What a training leaves: a file or folder, with the numbers that say how good it is."""

    def __init__(self, path: Union[str, Path], metrics: Optional[Mapping[str, float]] = None) -> None:
        self.path = Path(path)
        self.metrics = dict(metrics or {})

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Weights({str(self.path)!r}, metrics={self.metrics!r})"


def weights() -> Optional[Path]:
    """The version's weights while its file is imported, or None: for a model whose inputs depend on what it learnt.

    Everywhere else `ctx.weights` says it.
    """
    path = os.environ.get("ONSTAGE_WEIGHTS")
    return Path(path) if path else None
