"""P2b: the heavy model under 20 requests a second with three spikes of 500, and what its workers cost meanwhile."""

import math
import threading
import time

from load import Load
from ours import Gauges, House, asks
from world import OURS

from workloads.heavy import START_SECONDS_MAX, add

CALM, SPIKE = (20, 15), (500, 30)
PHASES = [CALM, SPIKE, CALM, SPIKE, CALM, SPIKE, CALM]
# As in the model's `onstage.toml`.
IDLE_SECONDS, MICROBATCH, MICROBATCH_SECONDS, WORKERS_MIN = 5, 100, 1, 1
LOOK_EVERY = 0.1


def run(world):
    house = House(world, "uneven", ["uneven"])
    with house.serving(asks("uneven"), seconds_max=START_SECONDS_MAX) as ours:
        watch = Watch(Gauges(house, ours))
        with Load(
            world.generator,
            "open",
            ours.address,
            ours.ask,
            phases=PHASES,
            seed=1,
            connections_max=8_000,
            timeout_s=60,
        ) as load:
            watch.start()
            result = load.finish()
        add(world.figures, "P2b", OURS, result)
        seconds = watch.stop()
    least = sum(math.ceil(rate / MICROBATCH) * seconds for rate, seconds in PHASES)
    world.figures.add("P2b", OURS, "worker-seconds", seconds, "s")
    world.figures.add("P2b", OURS, "of the least", seconds / least, "×")
    world.figures.add("P2b", OURS, "back to min", watch.back_after(spike_end()), "s")
    world.figures.note("P2b", f"The least that could serve it: {least:.0f} worker-seconds; one run.")
    house.remove()


def spike_end():
    """When the last spike ends."""
    last = max(place for place, phase in enumerate(PHASES) if phase == SPIKE)
    return sum(seconds for _, seconds in PHASES[: last + 1])


class Watch(threading.Thread):
    """Counts workers ten times a second, those that start and stop as well: they hold memory too."""

    def __init__(self, gauges):
        super().__init__(daemon=True)
        self.gauges, self.seen, self.running = gauges, [], True

    def run(self):
        self.begun = time.monotonic()
        while self.running:
            count = sum(self.gauges.workers("uneven").values())
            self.seen.append((time.monotonic() - self.begun, count))
            time.sleep(LOOK_EVERY)

    def stop(self):
        """Worker-seconds so far."""
        self.running = False
        self.join()
        return sum((later[0] - at) * count for (at, count), later in zip(self.seen, self.seen[1:]))

    def back_after(self, second):
        """Seconds from then until no more than the least were left, or for ever."""
        return next((at - second for at, count in self.seen if at >= second and count <= WORKERS_MIN), math.inf)
