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
# Two, one after the other, are the fewest with which nobody waits more than the 0.6 s that the target's p99 leaves.
WORKERS_CALM = 2
BACK_SECONDS_MAX = 30


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
        back = watch.back_to(WORKERS_MIN)
        seconds = watch.stop(sum(seconds for _, seconds in PHASES))
    least = sum(max(math.ceil(rate / MICROBATCH), WORKERS_CALM) * seconds for rate, seconds in PHASES)
    world.figures.add("P2b", OURS, "worker-seconds", seconds, "s")
    world.figures.add("P2b", OURS, "of the least", seconds / least, "×")
    world.figures.add("P2b", OURS, "back to min", back, "s")
    world.figures.note("P2b", f"The least that could serve it: {least:.0f} worker-seconds; one run.")
    house.remove()


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

    def back_to(self, count):
        """Seconds from now until no more than that many are left; infinite when it takes too long."""
        begun = time.monotonic()
        while time.monotonic() - begun < BACK_SECONDS_MAX:
            if self.seen and self.seen[-1][1] <= count:
                return time.monotonic() - begun
            time.sleep(LOOK_EVERY)
        return math.inf

    def stop(self, until):
        """Worker-seconds up to that second of the load."""
        self.running = False
        self.join()
        pairs = zip(self.seen, self.seen[1:])
        return sum((later[0] - at) * count for (at, count), later in pairs if at <= until)
