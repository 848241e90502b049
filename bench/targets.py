"""The targets: one line each, what is enough of which figure. A target whose figure is missing is missed."""

import math
from dataclasses import dataclass
from typing import Callable

from workloads import instructions
from workloads.dataset import PARTS, PLAIN
from workloads.echo import ALONE
from workloads.idle import MODELS
from workloads.manage import BUSY, SMALL
from workloads.queue import HUEY
from workloads.rows import LOOP
from workloads.rows import ROWS as MILLION
from workloads.uneven import IDLE_SECONDS, MICROBATCH_SECONDS
from world import LIMIT, OURS

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass
class Target:
    workload: str
    what: str
    kind: str
    bound: float
    unit: str
    # From the figures to the value, or to None when it was not measured.
    value: Callable

    def met(self, figures):
        value = self.value(figures)
        return value is not None and (value >= self.bound if self.kind == AT_LEAST else value <= self.bound)

    def missed_by(self, figures):
        """How far off, in words."""
        value = self.value(figures)
        if value is None:
            return "not measured"
        if math.isinf(value):
            return "it never was"
        return f"{value:.4g} {self.unit}, off by {abs(value - self.bound) / max(abs(self.bound), 1e-9):.0%}"


def ours(workload, figure, system=OURS):
    return lambda figures: figures.median(workload, system, figure)


def worst(workload, figure, system=OURS):
    """Every round counts: the least of it."""
    return lambda figures: min(figures.rounds(workload, system, figure), default=None)


def over(workload, figure, other, system=OURS):
    return lambda figures: figures.ratio(workload, figure, system, other)


def seconds_of_gigabyte(figures):
    return figures.ratio("P3", "first answer, 1 GB", OURS, "a plain script")


EMPTY, THOUSAND = f"{OURS}, without models", f"{OURS}, {MODELS:,} asleep"
BACK_SECONDS = IDLE_SECONDS + MICROBATCH_SECONDS

TARGETS = [
    Target("P1", "share of the limit", AT_LEAST, 0.50, "", over("P1", "rate", LIMIT)),
    Target("P1", "times mosec", AT_LEAST, 7, "×", over("P1", "rate", "mosec")),
    Target("P1", "server CPU a request", AT_MOST, 32, "µs", ours("P1", "CPU a request")),
    Target("P1", "p99 as a multiple of the limit's", AT_MOST, 3, "×", over("P1", "p99", LIMIT)),
    Target("P1b", "share of the same without batching", AT_LEAST, 0.9, "", over("P1b", "rate", ALONE)),
    Target("P1b", "times mosec with its batching", AT_LEAST, 2, "×", over("P1b", "rate", "mosec")),
    Target("P2", "answered", AT_LEAST, 100, "%", worst("P2", "answered")),
    Target("P2", "p99", AT_MOST, 1.16, "s", ours("P2", "p99")),
    Target("P2", "memory of all", AT_MOST, 1_250, "MB", ours("P2", "memory")),
    Target("P2b", "answered", AT_LEAST, 100, "%", ours("P2b", "answered")),
    Target("P2b", "p99", AT_MOST, 1.6, "s", ours("P2b", "p99")),
    Target("P2b", "worker-seconds by the least", AT_MOST, 1.3, "×", ours("P2b", "of the least")),
    Target("P2b", "back to `min` after the load", AT_MOST, BACK_SECONDS, "s", ours("P2b", "back to min")),
    Target("P3", "first answer, trivial model", AT_MOST, 0.15, "s", ours("P3", "first answer, trivial")),
    Target("P3", "first answer, 1 GB, by a plain script's", AT_MOST, 1.15, "×", seconds_of_gigabyte),
    Target("P3", "wake of a trivial model", AT_MOST, 25, "ms", ours("P3", "wake")),
    Target("P3", "each worker from the second on", AT_MOST, 15, "ms", ours("P3", "each further worker")),
    Target("P3", "memory of 4 workers of 1 GB", AT_MOST, 1_150, "MB", ours("P3", "memory of 4 × 1 GB")),
    Target("P4", "share of the limit's bytes", AT_LEAST, 0.55, "", over("P4", "bytes", LIMIT)),
    Target("P4", "times mosec", AT_LEAST, 2, "×", over("P4", "bytes", "mosec")),
    Target("P5", "memory without models", AT_MOST, 25, "MB", ours("P5", "memory", EMPTY)),
    Target("P5", "memory with 1,000 asleep", AT_MOST, 40, "MB", ours("P5", "memory", THOUSAND)),
    Target("P5", "CPU without models", AT_MOST, 0.05, "%", ours("P5", "CPU", EMPTY)),
    Target("P5", "wake-ups without models", AT_MOST, 5, "/s", ours("P5", "wake-ups", EMPTY)),
    Target("P5", "wake-ups with 1,000 asleep", AT_MOST, 5, "/s", ours("P5", "wake-ups", THOUSAND)),
    Target("P6", "idle connections held", AT_LEAST, 10_000, "", ours("P6", "connections held")),
    Target("P6", "memory with them", AT_MOST, 200, "MB", ours("P6", "memory with them")),
    Target("P6", "event streams read", AT_LEAST, 1_000, "", ours("P6", "streams read")),
    Target("P6", "fan-out p99", AT_MOST, 250, "ms", ours("P6", "fan-out p99")),
    Target("P7", "goodput of the most", AT_LEAST, 0.9, "", ours("P7", "goodput")),
    Target("P7", "refusal p99", AT_MOST, 10, "ms", ours("P7", "refusal p99")),
    Target("J1", "durable submissions", AT_LEAST, 5_000, "/s", ours("J1", "rate")),
    Target("J1", "p99", AT_MOST, 30, "ms", ours("J1", "p99")),
    Target("J2", "jobs drained", AT_LEAST, 4_500, "/s", ours("J2", "drained")),
    Target("J2", "times huey", AT_LEAST, 1.5, "×", over("J2", "drained", HUEY)),
    Target("J2", "runs a job", AT_MOST, 1, "", ours("J2", "runs a job")),
    Target("J3", "to a lingering task, p50", AT_MOST, 5, "ms", ours("J3", "to a lingering task, p50")),
    Target("J3", "to a task that is started", AT_MOST, 300, "ms", ours("J3", "to a task that is started")),
    Target("J4", "share of a plain loop", AT_LEAST, 0.85, "", over("J4", "rows", LOOP)),
    Target("J4", "rows answered", AT_LEAST, MILLION, "", ours("J4", "rows answered")),
    Target("J4", "the front grows", AT_MOST, 5, "%", ours("J4", "front grows")),
    Target("J4", "the task grows", AT_MOST, 5, "%", ours("J4", "task grows")),
    Target("P8", "times PyTriton", AT_LEAST, 5, "×", over("P8", "rate", "PyTriton")),
    Target("P8", "times MLServer", AT_LEAST, 5, "×", over("P8", "rate", "MLServer")),
    Target("J5", "rate by that of cp and sha256sum", AT_LEAST, 0.7, "", over("J5", "rate", PLAIN)),
    Target("J5", "the front grows by", AT_MOST, 64, "MiB", ours("J5", "the front grows by")),
    Target("J5", "the front grows by, in parts", AT_MOST, 64, "MiB", ours("J5", "the front grows by", PARTS)),
    Target("J6", "p99 of the slowest call", AT_MOST, 200, "ms", ours("J6", "p99 of the slowest call", BUSY)),
    Target("J6", "slowest of all", AT_MOST, 1_000, "ms", ours("J6", "max", BUSY)),
    Target("J6", "errors", AT_MOST, 0, "", ours("J6", "errors", BUSY)),
    Target("J6b", "errors", AT_MOST, 0, "", ours("J6b", "errors", SMALL)),
]


def guards():
    """A target for every part in the baseline: it may not need more instructions than it did."""
    return [guard(name, count) for name, count in instructions.baseline().items()]


def guard(name, count):
    bound = round(count * (1 + instructions.TOLERANCE))
    return Target("instructions", name, AT_MOST, bound, "", ours("instructions", "instructions", name))


TARGETS += guards()
