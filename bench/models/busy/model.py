"""Keeps cores busy by hashing, which many threads can do at once: a training all of them, a batch job one."""

import hashlib
import os
import threading
import time

import onstage as on

PIECE = bytes(1 << 20)


def burn(until):
    while time.monotonic() < until:
        hashlib.sha256(PIECE).digest()


@on.predict
def busy(x: int) -> int:
    """Takes a fifth of a second of a core."""
    burn(time.monotonic() + 0.2)
    return x


@on.train
def train(seconds: float, *, ctx: on.Ctx) -> on.Weights:
    """Takes every core for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not ctx.cancelled:
        threads = [threading.Thread(target=burn, args=(time.monotonic() + 0.5,)) for _ in range(os.cpu_count())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ctx.metric(left=until - time.monotonic())
    with open("weights", "w") as file:
        file.write("none")
    return on.Weights("weights", metrics={})
