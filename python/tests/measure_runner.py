"""Measures the runner alone: `python tests/measure_runner.py`; items a second and CPU time of an item, by frame size.

It must not be a test: absolute figures depend on the machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from host import Host
from onstage import frames

ITEMS = 40_000
MODEL = """\
import onstage as on

@on.predict
def echo(text: str, n: int = 1) -> str:
    return text
"""
MANY = """
@echo.many(max=64)
def _(rows):
    return rows.column("text")
"""


class Silent(Host):
    """The measuring loop reads the socket itself."""

    def _read(self) -> None:
        pass

    def wait(self, *names: str) -> dict:
        return {}


class Line:
    def __init__(self, host: Host) -> None:
        self._sock = host._sock
        self._held = bytearray()

    def get(self) -> dict:
        while True:
            taken = frames.take(bytes(self._held)) if self._held else None
            if taken is not None:
                del self._held[: taken[2]]
                return taken[0]
            self._held += self._sock.recv(1 << 20)

    def run(self, messages: List[bytes], size: int, in_flight: int) -> None:
        sent = received = 0
        while received < len(messages) * size:
            while sent < len(messages) and sent * size - received < in_flight * size:
                self._sock.sendall(messages[sent])
                sent += 1
            received += len(self.get()["items"])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def measure(size: int, many: bool, in_flight: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(MODEL + (MANY if many else ""))
        with Silent(folder, folder / "host") as host:
            line = Line(host)
            line.get()
            host.send({"t": "setup", "weights": None, "tempdir": name, "seed": 1})
            assert line.get()["t"] == "ready"
            messages = []
            for first in range(0, ITEMS, size):
                given = {"text": "hello world, this is text", "n": 3}
                items = [{"id": first + i, "input": given, "seed": 1, "deadline_ms": None} for i in range(size)]
                messages.append(frames.encode({"t": "predict", "items": items}))
            cpu, wall = cpu_seconds(host.process.pid), time.perf_counter()
            line.run(messages, size, in_flight)
            cpu, wall = cpu_seconds(host.process.pid) - cpu, time.perf_counter() - wall
    total = len(messages) * size
    how = ".many " if many else "single"
    print(
        f"{how}  frames of {size:2}, {in_flight} in flight: {total / wall:8,.0f} items/s,"
        f" {wall / total * 1e6:6.1f} µs wall and {cpu / total * 1e6:5.1f} µs CPU an item"
    )


if __name__ == "__main__":
    for many in (False, True):
        for size in (1, 16, 64):
            for in_flight in (1, 2):
                measure(size, many, in_flight)
