"""The work behind the heavy workloads, the same for every peer: a gigabyte of numbers, a second for a microbatch."""

import os
import time

import numpy as np

SECONDS = 1.0
# A seventh of it: what comes within goes together, and seven workers begin one after the other, not all at once.
WINDOW_SECONDS = 0.14


def numbers():
    """The array, read into memory. Shape (n,), float32."""
    return np.load(os.environ["BENCH_ARRAY"])


def one_second(array, indices):
    """The numbers at the indices, after a second however many they are."""
    until = time.monotonic() + SECONDS
    answers = [float(array[int(index) % len(array)]) for index in indices]
    time.sleep(max(0.0, until - time.monotonic()))
    return answers
