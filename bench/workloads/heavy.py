"""P2: a gigabyte in every worker's memory, a second for a microbatch of up to 100, 7 workers, 500 requests a second."""

import time
from contextlib import ExitStack

import machine
from load import open_loop
from ours import Gauges, House, asks
from peers import table
from world import OURS

from workloads.rounds import ROUNDS

WORKERS = 7
RATE, SECONDS = 500, 40
START_SECONDS_MAX = 120


def run(world):
    house = House(world, "heavy", ["heavy"])
    with house.serving(asks("heavy"), seconds_max=START_SECONDS_MAX) as ours:
        wait_for_workers(house, ours, "heavy", WORKERS)
        for seed in range(ROUNDS):
            once(world, ours, OURS, seed)
    house.remove()
    for peer in table.ALL:
        with ExitStack() as stack:
            serving = world.start(stack, "P2", peer, "heavy", workers=WORKERS, seconds_max=START_SECONDS_MAX)
            if serving is not None:
                # The first answer is the first worker's; the others are ready when memory stands still.
                machine.settled_pss_mb(serving.pid)
                once(world, serving, peer.name, 0)
    world.figures.note(
        "P2",
        "Onstage, mosec, LitServe and Ray Serve collect inputs for 140 ms, a seventh of a microbatch; BentoML decides "
        "for itself. Without, idle workers begin together and p99 nears two microbatches, with Onstage as with mosec.",
    )
    world.figures.note(
        "P2", f"{ROUNDS} runs of Onstage with other arrival times each; one run of every peer with those of the first."
    )


def wait_for_workers(house, serving, model, count, seconds_max=START_SECONDS_MAX):
    gauges, until = Gauges(house, serving), time.monotonic() + seconds_max
    while time.monotonic() < until:
        states = gauges.workers(model)
        if states.get("idle", 0) + states.get("busy", 0) >= count:
            return
        time.sleep(0.05)
    raise TimeoutError(f"`{model}` has {states} after {seconds_max} s, not {count} workers")


def once(world, serving, name, seed):
    before = machine.cpu_seconds(serving.pid)
    result = open_loop(world.generator, serving.address, serving.ask, [(RATE, SECONDS)], seed)
    add(world.figures, "P2", name, result)
    world.figures.add("P2", name, "CPU", machine.cpu_seconds(serving.pid) - before, "s")
    world.figures.add("P2", name, "memory", machine.pss_mb(serving.pid), "MB")


def add(figures, workload, name, result):
    answered = result["answered"]
    figures.add(workload, name, "answered", 100 * answered["count"] / result["sent"], "%")
    figures.add(workload, name, "p50", answered["p50_ms"] / 1000, "s")
    figures.add(workload, name, "p99", answered["p99_ms"] / 1000, "s")
    if result["lag"]["p99_ms"] > 20:
        figures.note(workload, f"{name}: the generator itself was late by {result['lag']['p99_ms']:.0f} ms (p99).")
    troubles = {**result["failed"]}
    if result["refused"]["count"]:
        troubles["refused"] = result["refused"]["count"]
    if troubles:
        told = ", ".join(f"{count} × {what}" for what, count in sorted(troubles.items(), key=lambda one: -one[1])[:3])
        figures.note(workload, f"{name}: without an answer: {told}.")
