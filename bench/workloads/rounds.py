"""Closed loops against several servers in turn, the others frozen meanwhile, so that drift hits all of them alike."""

import subprocess

import load
import machine

ROUNDS = 3


def interleaved(world, workload, systems, connections, seconds, bytes_each=0):
    """Adds rate, latency and CPU of every round of every system; one that fails is named and left out from then on."""
    figures, alive = world.figures, list(systems)
    for system in systems:
        system.freeze()
    for number in range(ROUNDS + 1):
        for system in list(alive):
            system.thaw()
            try:
                # The first round only warms up.
                result = measured(system, connections, seconds if number else 1)
            except (subprocess.CalledProcessError, AttributeError) as error:
                figures.fail(workload, system.name, f"round {number}: {error}")
                alive.remove(system)
                continue
            finally:
                system.freeze()
            if number:
                add(figures, workload, system.name, result, bytes_each)


def measured(system, connections, seconds):
    before = machine.cpu_seconds(system.pid)
    result = load.closed(system.address, system.ask, connections, seconds)
    result["cpu_us"] = 1e6 * (machine.cpu_seconds(system.pid) - before) / max(1, result["done"])
    return result


def add(figures, workload, name, result, bytes_each):
    figures.add(workload, name, "rate", result["rate"], "req/s")
    if bytes_each:
        figures.add(workload, name, "bytes", result["rate"] * bytes_each / 1e6, "MB/s")
    figures.add(workload, name, "p50", result["p50_ms"], "ms")
    figures.add(workload, name, "p99", result["p99_ms"], "ms")
    figures.add(workload, name, "CPU a request", result["cpu_us"], "µs")
    if result["wrong"]:
        figures.note(workload, f"{name}: {result['wrong']} of {result['done']} answers of a round were wrong.")
        figures.add(workload, name, "wrong", result["wrong"])
