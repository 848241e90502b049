"""What all workloads share: programs, a folder of their own, the array, and how servers are started side by side."""

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import environments
import machine
from figures import Figures
from serving import CannotStartError, Serving

ARRAY_BYTES = 1_000_000_000
# A heavy peer's workers hold the array each, and something must be left for everybody else.
SPARE_GB = 2.0
# A run takes 25 minutes at most, about: after these no peer is started any more, and what is left is Onstage's own.
PEERS_SECONDS_MAX = 22 * 60


@dataclass
class World:
    onstage: Path
    limit: Path
    generator: Path
    folder: Path
    # Make what is counted the baseline of the instructions.
    update: bool = False
    figures: Figures = field(default_factory=Figures)
    begun: float = field(default_factory=time.monotonic)

    @property
    def array(self):
        """A file of a gigabyte of float32 that NumPy reads, made once."""
        place = environments.folder() / "array.npy"
        if not (place.is_file() and place.stat().st_size >= ARRAY_BYTES):
            make_array(place)
        return place

    def start(self, stack, workload, peer, model, **options):
        """A peer that serves until the stack ends, or None and a reason among the figures."""
        if time.monotonic() - self.begun > PEERS_SECONDS_MAX:
            self.figures.fail(workload, peer.name, f"{PEERS_SECONDS_MAX / 60:.0f} minutes of the run were over")
            return None
        needed = options.get("workers", 1) * ARRAY_BYTES / 1024**3 if model in {"gigabyte", "heavy"} else 0
        if machine.free_memory_gb() < needed * 1.2 + SPARE_GB:
            self.figures.fail(workload, peer.name, f"it needs {needed:.1f} GiB of memory, which are not free")
            return None
        try:
            return stack.enter_context(peer.serving(model, self, **options))
        except (CannotStartError, environments.CannotInstallError, OSError) as error:
            self.figures.fail(workload, peer.name, error)
            return None

    @contextmanager
    def the_limit(self, ask):
        """The bare hyper server, asked the same as others."""
        process = subprocess.Popen(
            [str(self.limit)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            yield Serving("limit (bare hyper)", process, process.stdout.readline().strip(), ask, may_freeze=False)
        finally:
            machine.end_tree(process)


def make_array(place):
    """Written as NumPy writes it, without needing NumPy here."""
    count = ARRAY_BYTES // 4
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}"
    head = text.ljust(128 - 10 - 1) + "\n"
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".part")
    piece = b"\x00\x00\x00\x3f" * (1 << 20)
    with open(unfinished, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        left = count * 4
        while left > 0:
            left -= file.write(piece[:left])
    unfinished.rename(place)


LIMIT = "limit (bare hyper)"
OURS = "Onstage"
