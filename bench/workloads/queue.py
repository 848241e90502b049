"""J1 to J3: durable jobs that do nothing: submitted over HTTP, drained by one task beside huey, started from rest."""

import json
import shutil
import sqlite3
import statistics
import subprocess
import time
from contextlib import closing

import environments
import load
import machine
from load import Ask
from ours import House
from peers import table
from serving import once
from world import OURS

from workloads.rounds import ROUNDS

MODEL = "noop"
CONNECTIONS = 64
SECONDS = 5
JOBS = 10_000
DRAIN_SECONDS_MAX = 120
HUEY = "huey"
STARTS = 40
PAUSE_SECONDS = 0.25
COLD_STARTS = 5
LOOK_SECONDS = 0.002
ENDED = """
SELECT COUNT(*) - SUM(state = 'succeeded'), COUNT(*), MIN(started_at), MAX(completed_at), SUM(run) FROM jobs
"""
# No task is started, so that submissions are measured alone, or are there before the first task.
NO_TASKS = {"ONSTAGE_TASKS_TOTAL_MAX": "0"}
ONE_TASK = {"ONSTAGE_TASKS_TOTAL_MAX": "1"}


def submission(x=7):
    body = json.dumps({"input": {"x": x}}).encode()
    return Ask(f"/v1/models/lab/{MODEL}/predictions", body, expect='"status":"starting"')


HEALTH = Ask("/healthz", method="GET")


def submissions(world):
    house = House(world, "submissions", [MODEL])
    house.environment.update(NO_TASKS)
    with house.serving(HEALTH) as ours:
        ask = house.signed(submission())
        load.closed(ours.address, ask, CONNECTIONS, 1)
        for _ in range(ROUNDS):
            before = machine.cpu_seconds(ours.pid)
            result = load.closed(ours.address, ask, CONNECTIONS, SECONDS)
            cpu_us = 1e6 * (machine.cpu_seconds(ours.pid) - before) / max(1, result["done"])
            world.figures.add("J1", OURS, "rate", result["rate"], "jobs/s")
            world.figures.add("J1", OURS, "p50", result["p50_ms"], "ms")
            world.figures.add("J1", OURS, "p99", result["p99_ms"], "ms")
            world.figures.add("J1", OURS, "CPU a job", cpu_us, "µs")
            world.figures.add("J1", OURS, "wrong", result["wrong"])
    house.remove()


def drained(world):
    for number in range(ROUNDS):
        drain_ours(world, number)
        drain_huey(world, number)


def drain_ours(world, number):
    house = House(world, f"drained-{number}", [MODEL])
    house.environment.update(NO_TASKS)
    with house.serving(HEALTH) as ours:
        load.open_loop(world.generator, ours.address, house.signed(submission()), [(JOBS / 2, 2)], 1, CONNECTIONS)
    house.environment.update(ONE_TASK)
    with house.serving(HEALTH):
        ended = until_drained(house)
    if not ended:
        world.figures.fail("J2", OURS, f"after {DRAIN_SECONDS_MAX} s jobs were left")
        return
    jobs, first, last, runs = ended
    world.figures.add("J2", OURS, "drained", jobs / ((last - first) / 1_000), "jobs/s")
    world.figures.add("J2", OURS, "runs a job", runs / jobs)
    house.remove()


def until_drained(house):
    """(jobs, first start, last end, runs) when every job has succeeded."""
    begun = time.monotonic()
    while time.monotonic() - begun < DRAIN_SECONDS_MAX:
        left, *ended = read(
            house,
            ENDED,
        )
        if left == 0:
            return ended
        time.sleep(0.1)
    return None


def read(house, sql):
    with closing(sqlite3.connect(f"file:{house.data / 'onstage.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchone()


def drain_huey(world, number):
    place = world.folder / f"huey-{number}"
    place.mkdir()
    try:
        python = environments.installed("huey")
        script = table.HERE / "huey" / "drain.py"
        done = subprocess.run([python, script, place, str(JOBS)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            world.figures.fail("J2", HUEY, done.stderr[-300:])
            return
        result = json.loads(done.stdout.splitlines()[-1])
        world.figures.add("J2", HUEY, "drained", result["drained_per_s"], "jobs/s")
        if result["wrong"]:
            world.figures.note("J2", f"{HUEY}: {result['wrong']} results of a round were wrong.")
    except environments.CannotInstallError as error:
        world.figures.fail("J2", HUEY, error)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def starts(world):
    house = House(world, "starts", [MODEL])
    with house.serving(HEALTH) as ours:
        submit_and_wait(house, ours)
        times = []
        for _ in range(STARTS):
            time.sleep(PAUSE_SECONDS)
            times.append(submit_and_wait(house, ours))
        world.figures.add("J3", OURS, "to a lingering task, p50", statistics.median(times), "ms")
        world.figures.add("J3", OURS, "to a lingering task, most", max(times), "ms")
    for _ in range(COLD_STARTS):
        # A front that has just been started has no task.
        with house.serving(HEALTH) as ours:
            end_tasks(house)
            world.figures.add("J3", OURS, "to a task that is started", submit_and_wait(house, ours), "ms")
    end_tasks(house)
    house.remove()


def submit_and_wait(house, ours):
    """Milliseconds from the submission to the run's start, both as the store has them."""
    status, body = once(ours.address, house.signed(submission()))
    if status != 202:
        raise RuntimeError(f"a submission was answered {status}: {body[:200]}")
    job = json.loads(body)["id"]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        row = read(house, f"SELECT created_at, started_at, state FROM jobs WHERE id = '{job}'")  # noqa: S608
        if row[2] == "succeeded":
            return row[1] - row[0]
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"job `{job}` did not end")


def end_tasks(house):
    """Tasks outlive their front; each ends itself when it is told to."""
    with closing(sqlite3.connect(f"file:{house.data / 'onstage.db'}?mode=ro", uri=True)) as connection:
        pids = [pid for (pid,) in connection.execute("SELECT pid FROM tasks WHERE ended_at IS NULL")]
    machine.send(pids, 15)
    time.sleep(1)
