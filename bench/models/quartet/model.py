"""A gigabyte of numbers and one of them as the answer: what is measured is how it gets into memory."""

import os

import numpy as np

import onstage as on


@on.setup
def numbers():
    """The array, read into memory. Shape (n,), float32."""
    return np.load(os.environ["BENCH_ARRAY"])


@on.predict
def gigabyte(x: int, *, numbers) -> float:
    return float(numbers[x])
