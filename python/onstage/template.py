"""The program of a template, the process that workers are forked from. Its name tells it from a worker in `ps`.

It must not hold any logic of its own.
"""

from __future__ import annotations

from onstage.worker.template import main

__all__ = ["main"]
