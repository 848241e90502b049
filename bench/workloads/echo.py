"""P1 and P1b: a number comes back, alone and in microbatches; 64 connections, the full gateway on."""

from contextlib import ExitStack

from machine import settled_pss_mb
from ours import House, asks
from peers import table
from world import OURS

from workloads.rounds import interleaved

CONNECTIONS = 64
SECONDS = 4
ALONE = f"{OURS}, one by one"


def plain(world):
    house = House(world, "echo", ["echo"])
    with ExitStack() as stack:
        ours = stack.enter_context(house.serving(asks("echo")))
        limit = stack.enter_context(world.the_limit(ours.ask))
        systems = [limit, ours, *started(world, stack, "P1", table.ALL, "echo")]
        for system in systems:
            world.figures.add("P1", system.name, "memory", settled_pss_mb(system.pid), "MB")
            system.freeze()
        interleaved(world, "P1", systems, CONNECTIONS, SECONDS)


def batched(world):
    house = House(world, "many", ["echo", "many"])
    with ExitStack() as stack:
        ours = stack.enter_context(house.serving(asks("many")))
        alone = house.also(ours, asks("echo"), ALONE)
        alone.wait_for_answer(30)
        limit = stack.enter_context(world.the_limit(ours.ask))
        systems = [limit, ours, alone, *started(world, stack, "P1b", table.WITH_BATCHING, "many")]
        interleaved(world, "P1b", systems, CONNECTIONS, SECONDS)


def started(world, stack, workload, peers, model, **options):
    """The peers that could be started, each frozen while the next one starts."""
    servings = []
    for peer in peers:
        serving = world.start(stack, workload, peer, model, **options)
        if serving is not None:
            serving.freeze()
            servings.append(serving)
    return servings
