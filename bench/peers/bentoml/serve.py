"""BentoML set up by its documentation: access log, metrics and tracing off, batching where the workload has it."""

import os
from pathlib import Path

import bentoml
from heavy import numbers, one_second

MODEL, WORKERS = os.environ["BENCH_MODEL"], int(os.environ["BENCH_WORKERS"])


@bentoml.service(
    workers=WORKERS,
    traffic={"timeout": 60, "max_concurrency": 100_000},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Bench:
    """Every workload's way in."""

    def __init__(self):
        self.array = numbers() if MODEL in {"gigabyte", "heavy"} else None

    @bentoml.api
    def echo(self, x: int) -> int:
        return x

    # The latency is a limit beyond which BentoML refuses, not a window; it fits its own window to what it measures.
    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1_000)
    def many(self, x: list[int]) -> list[int]:
        return x

    @bentoml.api
    def gigabyte(self, x: int) -> float:
        return float(self.array[x])

    @bentoml.api(batchable=True, max_batch_size=100, max_latency_ms=60_000)
    def heavy(self, x: list[int]) -> list[float]:
        return one_second(self.array, x)

    @bentoml.api
    def binary(self, x: Path) -> int:
        return len(x.read_bytes())
