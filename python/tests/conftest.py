"""Shared fixtures: a folder with a model, and a running worker for it.

It must not hold assertions.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from host import Host


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a model's files: `folder(source, "other.py"=text)`."""

    def write(source: str, **files: str) -> Path:
        place = tmp_path / "model"
        place.mkdir(exist_ok=True)
        (place / "model.py").write_text(textwrap.dedent(source), encoding="utf-8")
        for name, text in files.items():
            (place / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return place

    return write


@pytest.fixture
def start(folder: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a worker for a model's source; `ready=False` leaves out the set-up."""
    hosts = []

    def begin(source: str, *, ready: bool = True, **files: str) -> Host:
        host = Host(folder(source, **files), tmp_path / f"host{len(hosts)}")
        hosts.append(host)
        if ready:
            answer: Any = host.setup()
            assert answer["t"] == "ready", answer
        return host

    yield begin
    for host in hosts:
        host.__exit__()
        # A worker whose host is gone must be gone too.
        assert host.process.returncode >= 0, "the worker did not end by itself"
