"""P7: five times what a model can do is asked of it: how much is still done, and how soon the rest is refused."""

from load import closed, open_loop
from ours import House, asks
from world import OURS

from workloads.rounds import ROUNDS

# Fewer than its queue holds: nothing is refused.
CONNECTIONS = 16
SECONDS = 5
TIMES = 5


def run(world):
    house = House(world, "steady", ["steady"])
    with house.serving(asks("steady")) as ours:
        closed(ours.address, ours.ask, CONNECTIONS, 1)
        for seed in range(ROUNDS):
            most = closed(ours.address, ours.ask, CONNECTIONS, SECONDS)
            result = open_loop(world.generator, ours.address, ours.ask, [(TIMES * most["rate"], SECONDS)], seed)
            goodput = result["answered"]["count"] / result["seconds"]
            world.figures.add("P7", OURS, "most", most["rate"], "req/s")
            world.figures.add("P7", OURS, "done under overload", goodput, "req/s")
            world.figures.add("P7", OURS, "goodput", goodput / most["rate"], "of the most")
            world.figures.add("P7", OURS, "refusal p50", result["refused"]["p50_ms"], "ms")
            world.figures.add("P7", OURS, "refusal p99", result["refused"]["p99_ms"], "ms")
            for trouble, count in result["failed"].items():
                world.figures.note("P7", f"{count} requests of a round: {trouble}.")
