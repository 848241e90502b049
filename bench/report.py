"""The report: targets and what was measured, a table a workload, how and on what. Does not measure."""

import math
import statistics

from peers import table
from world import LIMIT

TITLES = {
    "P1": "Echo, JSON, 64 connections",
    "P1b": "The same with dynamic batching: 32 inputs, 5 ms",
    "P2": "Heavy model: 1 GB, 1 s a microbatch of up to 100, 7 workers, 500 requests/s for 40 s (Poisson)",
    "P2b": "Uneven load on the heavy model: 20 requests/s with three spikes of 500 for 30 s",
    "P3": "From nothing to the first answer",
    "P4": "1 MB of bytes in, a small answer out, 8 connections",
    "P5": "A front at rest",
    "P6": "10,000 idle connections; 1,000 readers of one event stream",
    "P7": "Overload: five times the capacity of a 5 ms model",
    "P8": "Binary tensors: 1 MiB of float32 each way, 8 connections",
    "J1": "Durable submissions over HTTP, 64 connections (SQLite, synced)",
    "J2": "10,000 durable jobs that do nothing, drained by one task",
    "J3": "From submission to start, at rest",
    "J4": "1,000,000 rows of the digits example as a batch job",
    "J5": "5 GB become a dataset, in one request and in parts",
    "J6": "100 people on the page and the API, while two trainings have every core and a batch job runs",
    "J6b": "200 people on a front with a quarter of a core and half a gigabyte",
    "instructions": "Hot parts, instructions counted by Callgrind",
}

METHOD = f"""\
Made by `make bench`; only ratios within one run mean something, because machines are shared and drift.

- Everything runs on loopback, the generator of load on the same cores as the servers: `wrk` with one thread for closed
  loops, `onstage-load` (in `bench/src`) for the rest. In an open loop a time counts from when its request should have
  left.
- "{LIMIT}" reads the body and answers a constant, on the same runtime as Onstage: nothing over HTTP can be much faster.
- Closed loops run in interleaved rounds after one that only warms up; peers are frozen (SIGSTOP) while others are
  measured.
- Onstage runs with everything on: authentication, validation, ids, metrics, records of every prediction.
- Each peer is set up by its own documentation: one worker process unless stated, its access log and metrics off,
  dynamic batching where the workload has it. Their code is in `bench/peers`, the packages in `bench/requirements`.
- Memory is the proportional set size of the whole process tree; CPU is user and system time of the tree.
- A figure is the median of its rounds, with the least and the most of them when they differ; `wrong` counts answers
  that were errors.
"""


def written(figures, targets, machine, only):
    """The whole page."""
    parts = ["# Benchmarks\n"]
    if only:
        parts.append(f"A part of a run: {', '.join(only)}.\n")
    parts += [targets_table(figures, targets), *(section(figures, workload) for workload in TITLES)]
    parts += [unmeasured(figures), "## Method\n", METHOD, about(figures, machine)]
    return "\n".join(part for part in parts if part)


def targets_table(figures, targets):
    lines = ["## Targets\n", "| | target | | measured | |", "|---|---|---|---|---|"]
    for target in targets:
        value = target.value(figures)
        shown = "not measured" if value is None else with_unit(value, target.unit)
        bound = f"{target.kind} {with_unit(target.bound, target.unit)}"
        verdict = "met" if target.met(figures) else "**missed**"
        lines.append(f"| {target.workload} | {target.what} | {bound} | {shown} | {verdict} |")
    return "\n".join(lines) + "\n"


def section(figures, workload):
    systems = figures.values.get(workload)
    if not systems:
        return ""
    columns = list(dict.fromkeys(figure for values in systems.values() for figure in values))
    heads = [f"{column} ({unit})" if (unit := figures.units.get(column)) else column for column in columns]
    lines = [f"## {workload}: {TITLES[workload]}\n", f"| | {' | '.join(heads)} |", "|---" * (len(columns) + 1) + "|"]
    for system, values in systems.items():
        cells = [spread(values.get(column, [])) for column in columns]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    notes = figures.notes.get(workload, [])
    return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in notes)


def unmeasured(figures):
    if not figures.failures:
        return ""
    lines = ["## Not measured\n", "| | | reason |", "|---|---|---|"]
    lines += [
        f"| {workload} | {system} | {reason.replace('|', '/')} |" for workload, system, reason in figures.failures
    ]
    return "\n".join(lines) + "\n"


def about(figures, machine):
    peers = [*table.ALL, *table.WITH_TENSORS]
    versions = {**figures.versions, **{peer.name: peer.version for peer in peers}}
    lines = ["## Machine and versions\n", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in {**machine, **versions}.items()]
    return "\n".join(lines) + "\n"


def spread(rounds):
    """`median (least–most)`, or the one value."""
    if not rounds:
        return "–"
    middle, least, most = (number(value) for value in (statistics.median(rounds), min(rounds), max(rounds)))
    return middle if least == most else f"{middle} ({least}–{most})"


def with_unit(value, unit):
    return f"{number(value)} {unit}".strip() if math.isfinite(value) else number(value)


def number(value):
    if not math.isfinite(value):
        return "never"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
