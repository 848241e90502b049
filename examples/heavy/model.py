"""A model that is heavy in the two ways that hurt: a gigabyte in memory, and a second for every microbatch."""

import os
import time

import numpy as np

import onstage as on

# Both can be scaled down from outside for quick tests.
MEGABYTES = float(os.environ.get("HEAVY_MB", "1024"))
SECONDS = float(os.environ.get("HEAVY_SECONDS", "1.0"))
COLUMNS = 1024


@on.setup
def weights():
    """A matrix of single-precision numbers, every page of it really in memory. Shape (rows, 1024)."""
    rows = max(1, int(MEGABYTES * 1024 * 1024 / (COLUMNS * 4)))
    numbers = np.empty((rows, COLUMNS), dtype=np.float32)
    numbers[:] = np.linspace(-1.0, 1.0, COLUMNS, dtype=np.float32)
    return numbers


def compute(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What each value becomes; takes SECONDS whatever their number. Shape (n,) to (n,)."""
    until = time.monotonic() + SECONDS
    answers = values * float(weights[:8].std()) + float(weights[-1, -1])
    time.sleep(max(0.0, until - time.monotonic()))
    return answers


@on.predict
def transform(x: float = on.Input("A number", ge=-1000, le=1000, default=1.0), *, weights) -> float:
    """A heavy model

    Holds a gigabyte and takes a second, alone or with 99 others: what dynamic batching is for.
    """
    return float(compute(np.array([x]), weights)[0])


@transform.many(max=100)
def _(rows, *, weights):
    return compute(np.array(rows.column("x"), dtype=float), weights).tolist()
