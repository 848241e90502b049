"""P5: a front at rest, without models and with a thousand that sleep: memory, CPU, wake-ups."""

import sqlite3
import time
from contextlib import closing

import machine
from load import Ask
from ours import House
from world import OURS

MODELS = 1_000
# As long as the rarest of what it does at rest: every half minute it looks at what a clock that was set makes due.
SECONDS = 60
# A start is over when a while goes by with hardly any work.
QUIET_SECONDS, QUIET_CPU_SECONDS, START_SECONDS_MAX = 3, 0.02, 60
HEALTH = Ask("/healthz", method="GET")


def run(world):
    rest(world, House(world, "empty", []), "without models")
    house = House(world, "thousand", ["asleep"])
    copy_models(house.data / "onstage.db", MODELS)
    rest(world, house, "1,000 asleep")
    world.figures.note("P5", "Of the thousand, one was pushed; the records of the others are copies of its records.")


def rest(world, house, name):
    with house.serving(HEALTH, name=name) as ours:
        started_s = until_quiet(ours.pid)
        before = machine.cpu_seconds(ours.pid), machine.switches(ours.pid)
        time.sleep(SECONDS)
        cpu, woken = machine.cpu_seconds(ours.pid) - before[0], machine.switches(ours.pid) - before[1]
        system = f"{OURS}, {name}"
        world.figures.add("P5", system, "memory", machine.pss_mb(ours.pid), "MB")
        world.figures.add("P5", system, "CPU", 100 * cpu / SECONDS, "%")
        world.figures.add("P5", system, "wake-ups", woken / SECONDS, "/s")
        world.figures.add("P5", system, "start takes", started_s, "s")


def until_quiet(pid):
    """Seconds until it rests, about."""
    begun = time.monotonic()
    while time.monotonic() - begun < START_SECONDS_MAX:
        before = machine.cpu_seconds(pid)
        time.sleep(QUIET_SECONDS)
        if machine.cpu_seconds(pid) - before <= QUIET_CPU_SECONDS:
            break
    return time.monotonic() - begun - QUIET_SECONDS


def copy_models(database, count):
    """Fills the store as that many pushes would; a push builds and tries each version, which takes minutes."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        [model] = connection.execute("SELECT * FROM models").fetchall()
        [version] = connection.execute("SELECT * FROM versions").fetchall()
        for number in range(count - 1):
            name, digest = f"{model['name']}-{number}", f"{number:064x}"
            insert(connection, "models", {**model, "name": name, "live": digest})
            insert(connection, "versions", {**version, "id": digest, "model": name})


def insert(connection, table, row):
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))  # noqa: S608
