"""P6: ten thousand connections that do nothing, and a thousand readers of one event stream."""

import json
import time

import machine
from load import Ask, Load
from ours import House
from serving import once
from world import OURS

CONNECTIONS = 10_000
STREAMS, SECONDS = 1_000, 12
# Opening the streams takes a while, and all of them must see the events of the time that counts.
EVENTS = 60
HEALTH = Ask("/healthz", method="GET")


def run(world):
    house = House(world, "crowd", ["ticks"])
    with house.serving(HEALTH) as ours:
        connections(world, ours)
    with house.serving(HEALTH) as ours:
        streams(world, house, ours)


def connections(world, ours):
    alone = machine.pss_mb(ours.pid)
    with Load(world.generator, "idle", ours.address, ours.ask, connections=CONNECTIONS) as load:
        opened = load.line()["opened"]
        time.sleep(2)
        memory = machine.pss_mb(ours.pid)
        result = load.finish()
    world.figures.add("P6", OURS, "connections held", min(opened, result["alive"]))
    world.figures.add("P6", OURS, "memory with them", memory, "MB")
    world.figures.add("P6", OURS, "memory each", 1024 * (memory - alone) / max(1, opened), "KB")
    if result["trouble"]:
        world.figures.note(
            "P6", f"Of {CONNECTIONS} connections {opened} were opened; the first other: {result['trouble']}."
        )


def streams(world, house, ours):
    body = json.dumps({"input": {"seconds": EVENTS}}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    start = house.signed(Ask("/v1/models/lab/ticks/predictions", body, headers))
    _, answer = once(ours.address, start)
    events = Ask(json.loads(answer)["urls"]["events"], headers={"Accept": "text/event-stream"}, method="GET")
    with Load(world.generator, "streams", ours.address, house.signed(events), streams=STREAMS, seconds=SECONDS) as load:
        result = load.finish()
    world.figures.add("P6", OURS, "streams read", result["open"])
    world.figures.add("P6", OURS, "fan-out p50", result["late"]["p50_ms"], "ms")
    world.figures.add("P6", OURS, "fan-out p99", result["late"]["p99_ms"], "ms")
    for trouble, count in result["failed"].items():
        world.figures.note("P6", f"{count} event streams: {trouble}.")
