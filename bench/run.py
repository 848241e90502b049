"""`make bench`: runs the workloads side by side, writes the report, and says which targets were missed."""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

import environments  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
from targets import TARGETS  # noqa: E402
from workloads import (  # noqa: E402
    binary,
    binary_tensors,
    cold,
    crowd,
    dataset,
    echo,
    heavy,
    idle,
    instructions,
    manage,
    overload,
    queue,
    rows,
    uneven,
)
from world import OURS, World  # noqa: E402

WORKLOADS = {
    "P1": echo.plain,
    "P1b": echo.batched,
    "P2": heavy.run,
    "P2b": uneven.run,
    "P3": cold.run,
    "P4": binary.run,
    "P5": idle.run,
    "P6": crowd.run,
    "P7": overload.run,
    "P8": binary_tensors.run,
    "J1": queue.submissions,
    "J2": queue.drained,
    "J3": queue.starts,
    "J4": rows.run,
    "J5": dataset.run,
    "J6": manage.run,
    "J6b": manage.small,
    "instructions": instructions.run,
}


def main():
    chosen = arguments()
    only = [name for name in (chosen.only or "").split(",") if name]
    unknown = [name for name in only if name not in WORKLOADS]
    if unknown:
        raise SystemExit(f"error: no workload is called `{unknown[0]}`; there are {', '.join(WORKLOADS)}")
    described = machine.described()
    machine.adopt_orphans()
    program, tools = Path(chosen.binary).resolve(), Path(chosen.tools).resolve()
    with tempfile.TemporaryDirectory(prefix="onstage-bench-", ignore_cleanup_errors=True) as folder:
        world = World(program, tools / "onstage-limit", tools / "onstage-load", Path(folder), chosen.update)
        if program.is_file():
            world.figures.versions["Onstage"] = version(program)
        for name, run in WORKLOADS.items():
            if not only or name in only:
                timed(world, name, run)
    targets = [target for target in TARGETS if not only or target.workload in only]
    place = write(world.figures, targets, described, only)
    print(f"\n{report.targets_table(world.figures, targets)}\nwritten to {place}")
    return verdict(world.figures, targets) if chosen.check else 0


def arguments():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True, help="the release binary of Onstage")
    options.add_argument("--tools", required=True, help="the folder with `onstage-limit` and `onstage-load`")
    options.add_argument("--only", help="names of workloads, with commas")
    options.add_argument("--check", action="store_true", help="end with 1 when a target is missed")
    options.add_argument("--update", action="store_true", help="make the instructions counted the new baseline")
    return options.parse_args()


def timed(world, name, run):
    begun = time.monotonic()
    print(f"{name}: {report.TITLES[name]}", flush=True)
    try:
        run(world)
    except (Exception, SystemExit) as error:
        # One workload that cannot run does not take the others with it; its targets are missed.
        traceback.print_exc()
        world.figures.fail(name, OURS, f"{type(error).__name__}: {error}")
    print(f"{report.section(world.figures, name)}  ({time.monotonic() - begun:.0f} s)\n", flush=True)


def version(binary):
    return subprocess.run([str(binary), "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def write(figures, targets, described, only):
    """A whole run is the page in the documentation; a part of one stays in the cache."""
    cache = environments.folder().parent
    place = cache / "benchmarks-part.md" if only else ROOT / "docs" / "benchmarks.md"
    # First what cannot be had again.
    (cache / "benchmarks.json").write_text(figures.json())
    place.write_text(report.written(figures, targets, described, only))
    return place


def verdict(figures, targets):
    missed = [target for target in targets if not target.met(figures)]
    for target in missed:
        bound = f"{target.kind} {target.bound:g} {target.unit}".strip()
        print(f"missed: {target.workload} {target.what} {bound}: {target.missed_by(figures)}", file=sys.stderr)
    print(f"{len(targets) - len(missed)} of {len(targets)} targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
