"""The heavy workload: a gigabyte of numbers, and a second for every microbatch of up to a hundred."""

import os
import time

import numpy as np

import onstage as on

SECONDS = 1.0


@on.setup
def numbers():
    """The array, read into memory. Shape (n,), float32."""
    return np.load(os.environ["BENCH_ARRAY"])


def one_second(array, indices):
    until = time.monotonic() + SECONDS
    answers = [float(array[index]) for index in indices]
    time.sleep(max(0.0, until - time.monotonic()))
    return answers


@on.predict
def heavy(x: int, *, numbers) -> float:
    return one_second(numbers, [x])[0]


@heavy.many(max=100)
def _(rows, *, numbers):
    return one_second(numbers, [row["x"] for row in rows])
