"""P3: from nothing to the first answer, trivial and with a gigabyte; waking; four workers and their memory."""

import subprocess
import sys
import time
from contextlib import ExitStack

import environments
import machine
from load import Ask
from ours import Gauges, House, asks
from peers import table
from serving import once
from world import OURS

from workloads.heavy import START_SECONDS_MAX
from workloads.rounds import ROUNDS

SCRIPT = "import os, numpy; print(float(numpy.load(os.environ['BENCH_ARRAY'])[7]))"
PLAIN = "a plain script"
WORKERS = 4
HEALTH = Ask("/healthz", method="GET")
TRIVIAL, LARGE = "first answer, trivial", "first answer, 1 GB"


def run(world):
    world.array.read_bytes()  # Read from disk once, so that everybody finds it in the page cache.
    trivial(world)
    large(world)
    waking(world)
    four_workers(world)


def trivial(world):
    house = House(world, "cold", ["echo"])
    for _ in range(5):
        with house.serving(asks("echo")) as ours:
            world.figures.add("P3", OURS, TRIVIAL, ours.first_answer_s, "s")
    for _ in range(ROUNDS):
        for peer in table.ALL:
            first_answer(world, peer, "echo", TRIVIAL)


def large(world):
    house = House(world, "gigabyte", ["gigabyte"])
    for _ in range(ROUNDS):
        world.figures.add("P3", PLAIN, LARGE, script_seconds(world), "s")
        with house.serving(asks("gigabyte")) as ours:
            world.figures.add("P3", OURS, LARGE, ours.first_answer_s, "s")
    for peer in table.ALL:
        first_answer(world, peer, "gigabyte", LARGE)


def first_answer(world, peer, model, figure):
    with ExitStack() as stack:
        serving = world.start(stack, "P3", peer, model, seconds_max=START_SECONDS_MAX)
        if serving is not None:
            world.figures.add("P3", peer.name, figure, serving.first_answer_s, "s")


def script_seconds(world):
    """The same array loaded by Python alone, NumPy's import included."""
    try:
        python = environments.installed("fastapi")
    except environments.CannotInstallError:
        python = sys.executable
    begun = time.monotonic()
    subprocess.run(
        [str(python), "-c", SCRIPT], env={"BENCH_ARRAY": str(world.array)}, stdout=subprocess.DEVNULL, check=True
    )
    return time.monotonic() - begun


def waking(world):
    house = House(world, "asleep", ["echo", "asleep"])
    with house.serving(asks("echo")) as awake:
        asleep = house.also(awake, asks("asleep"), OURS)
        gauges = Gauges(house, awake)
        for number in range(1 + 5):
            while sum(gauges.workers("asleep").values()):
                time.sleep(0.05)
            begun = time.monotonic()
            once(asleep.address, asleep.ask)
            # The first one may prepare what later ones wake from.
            if number:
                world.figures.add("P3", OURS, "wake", 1000 * (time.monotonic() - begun), "ms")


def four_workers(world):
    house = House(world, "quartet", ["quartet"])
    with house.serving(HEALTH) as ours:
        world.figures.add("P3", OURS, "each further worker", 1000 * further_worker_seconds(house, ours), "ms")
        world.figures.add("P3", OURS, "memory of 4 × 1 GB", machine.settled_pss_mb(ours.pid), "MB")
    for peer in table.ALL:
        with ExitStack() as stack:
            serving = world.start(stack, "P3", peer, "gigabyte", workers=WORKERS, seconds_max=START_SECONDS_MAX)
            if serving is not None:
                memory = machine.settled_pss_mb(serving.pid)
                world.figures.add("P3", peer.name, "memory of 4 × 1 GB", memory, "MB")


def further_worker_seconds(house, serving):
    """From the first of the four that is ready to the last, by the worker."""
    gauges, seen, until = Gauges(house, serving), {}, time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        states, now = gauges.workers("quartet"), time.monotonic()
        ready = states.get("idle", 0) + states.get("busy", 0)
        for count in range(1, ready + 1):
            seen.setdefault(count, now)
        if ready >= WORKERS:
            return (seen[WORKERS] - seen[1]) / (WORKERS - 1)
        time.sleep(0.002)
    raise TimeoutError(f"`quartet` has {states} after {START_SECONDS_MAX} s, not {WORKERS} workers")
