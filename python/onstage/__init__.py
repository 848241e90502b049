"""Onstage: put a Python function on stage. `import onstage as on`, decorate a function, `onstage dev`.

It must not import anything outside the standard library, nor anything slow.
"""

from __future__ import annotations

from typing import Any

from onstage.ctx import Ctx
from onstage.dataset import Dataset
from onstage.declare import predict, setup, train
from onstage.errors import Cancelled, UserError
from onstage.files import Audio, File, Image, Video
from onstage.inputs import Input
from onstage.rows import Rows
from onstage.tables import Table
from onstage.tensors import Tensor
from onstage.values import Markdown, Plot, Scores, Secret, Weights, weights

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "Cancelled",
    "Client",
    "Ctx",
    "Dataset",
    "File",
    "Image",
    "Input",
    "Markdown",
    "Plot",
    "Rows",
    "Scores",
    "Secret",
    "Table",
    "Tensor",
    "UserError",
    "Video",
    "Weights",
    "predict",
    "setup",
    "train",
    "weights",
]


def __getattr__(name: str) -> Any:
    # The client needs the HTTP library, which a worker does not.
    if name == "Client":
        from onstage.client import Client

        return Client
    raise AttributeError(f"module `onstage` has no attribute `{name}`")
