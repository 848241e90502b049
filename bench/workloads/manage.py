"""J6: people on the page and the API while trainings have every core, and on a front that has a quarter of one."""

import http.client
import json
import os
import random
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from load import Ask
from ours import House
from serving import once
from world import OURS

MODEL = "busy"
USERS, THINK_SECONDS = 100, 1.0
IDLE_SECONDS, BUSY_SECONDS = 20, 40
TRAININGS, ROWS = 2, 2_000
WAIT_SECONDS_MAX = 90
# A whole look is ten minutes: BENCH_SMALL_SECONDS=600.
SMALL_SECONDS = int(os.environ.get("BENCH_SMALL_SECONDS", "60"))
SMALL_USERS, SMALL_THINK_SECONDS = 200, 5.0
SMALL_CPU, SMALL_BYTES = 0.25, 512 << 20
IDLE, BUSY = f"{OURS}, idle", f"{OURS}, every core training"
SMALL = f"{OURS}, {SMALL_CPU} vCPU and {SMALL_BYTES >> 20} MiB"
HEALTH = Ask("/healthz", method="GET")
# What the page asks for as people walk through it, and one write.
READS = [
    "/",
    "/v1/models",
    f"/v1/models/lab/{MODEL}",
    f"/v1/models/lab/{MODEL}/versions",
    "/v1/jobs?limit=20",
    "/v1/predictions?limit=20",
    "/v1/trainings?limit=20",
    "/v1/batches?limit=20",
    "/v1/datasets",
    "/v1/tasks",
    "/v1/usage",
    "/v1/feedback",
]
WRITE = "/v1/tokens"
CGROUPS = Path("/sys/fs/cgroup")


def run(world):
    house = House(world, "manage", [MODEL])
    with house.serving(HEALTH) as ours:
        note(world, "J6", IDLE, people(house, ours, USERS, THINK_SECONDS, IDLE_SECONDS))
        with working(world, house, ours):
            note(world, "J6", BUSY, people(house, ours, USERS, THINK_SECONDS, BUSY_SECONDS))
    ratio = world.figures.ratio("J6", "p99", BUSY, IDLE)
    world.figures.note("J6", f"The p99 of all calls is {ratio:.2g} times that of the idle front.")
    house.remove()


def small(world):
    house = House(world, "small", [MODEL])
    with house.serving(HEALTH) as ours, confined(ours.pid) as group:
        note(world, "J6b", SMALL, people(house, ours, SMALL_USERS, SMALL_THINK_SECONDS, SMALL_SECONDS))
        throttled = re.search(r"nr_throttled (\d+)", (group / "cpu.stat").read_text())
        world.figures.add("J6b", SMALL, "times it was held back", int(throttled.group(1)))
    house.remove()


def note(world, workload, system, done):
    took = sorted(ms for times in done["times"].values() for ms in times)
    world.figures.add(workload, system, "calls", len(took))
    world.figures.add(workload, system, "p50", quantile(took, 0.5), "ms")
    world.figures.add(workload, system, "p99", quantile(took, 0.99), "ms")
    tails = {path: quantile(sorted(times), 0.99) for path, times in done["times"].items()}
    worst = max(tails, key=tails.get)
    world.figures.add(workload, system, "p99 of the slowest call", tails[worst], "ms")
    world.figures.add(workload, system, "max", took[-1], "ms")
    world.figures.add(workload, system, "errors", len(done["errors"]))
    world.figures.note(workload, f"{system}: the slowest call by p99 is `{worst}`.")
    for error in done["errors"][:3]:
        world.figures.note(workload, f"{system}: {error}")


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def people(house, ours, users, think_seconds, seconds):
    """So many people, each with a connection, one call after the other with a pause to think. Times in ms by call."""
    done = {"times": {}, "errors": []}
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=person, args=(number, house, ours, think_seconds, until, done))
        for number in range(users)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def person(number, house, ours, think_seconds, until, done):
    chance = random.Random(number)
    headers = {"Authorization": f"Bearer {house.token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(ours.address, timeout=30)
    time.sleep(chance.uniform(0, think_seconds))
    while time.monotonic() < until:
        path = chance.choice([*READS, WRITE])
        method, body = ("POST", json.dumps({"name": f"person {number}"})) if path == WRITE else ("GET", None)
        begun = time.monotonic()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                done["errors"].append(f"{method} {path}: {answer.status} {text[:200]}")
        except (OSError, http.client.HTTPException) as error:
            done["errors"].append(f"{method} {path}: {type(error).__name__} {error}")
            connection.close()
        took = 1e3 * (time.monotonic() - begun)
        done["times"].setdefault(path, []).append(took)
        time.sleep(chance.uniform(0.5, 1.5) * think_seconds)
    connection.close()


@contextmanager
def working(world, house, ours):
    """Trainings on every core and a batch job, all under way."""

    def ask(method, path, body=None):
        given = json.dumps(body).encode() if body else b""
        status, text = once(ours.address, house.signed(Ask(path, given, method=method)))
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {text[:300]}")
        return json.loads(text)

    versions = ask("GET", f"/v1/models/lab/{MODEL}/versions")
    path = f"/v1/models/lab/{MODEL}/versions/{versions['results'][0]['id']}/trainings"
    seconds = WAIT_SECONDS_MAX + 2 * BUSY_SECONDS
    trainings = [ask("POST", path, {"input": {"seconds": seconds}})["id"] for _ in range(TRAININGS)]
    table = world.folder / "busy.csv"
    table.write_text("x\n" + "".join(f"{x}\n" for x in range(ROWS)))
    batch = subprocess.Popen(
        [str(world.onstage), "batch", MODEL, str(table), "--out", str(world.folder / "busy-out.csv")],
        env={**house.stage().environment, "ONSTAGE_URL": f"http://{ours.address}", "ONSTAGE_TOKEN": house.token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + WAIT_SECONDS_MAX
        while not all(running(job) for job in under_way(ask)) or len(under_way(ask)) <= TRAININGS:
            if time.monotonic() > until:
                raise RuntimeError(f"not all of it runs after {WAIT_SECONDS_MAX} s: {under_way(ask)}")
            time.sleep(0.5)
        yield
        left = [job for job in under_way(ask) if running(job)]
        if len(left) <= TRAININGS:
            raise RuntimeError(f"the work ended before the measuring: {left}")
    finally:
        batch.kill()
        batch.wait()
        for training in trainings:
            ask("POST", f"/v1/trainings/{training}/cancel")


def under_way(ask):
    jobs = ask("GET", "/v1/jobs?limit=20")["results"]
    return [job for job in jobs if job["status"] in ("starting", "processing")]


def running(job):
    return job["phase"] == "running"


@contextmanager
def confined(pid):
    """Gives a process, and what it starts from then on, a share of a core and of memory; yields the core's group."""
    name = f"onstage-bench-{os.getpid()}"
    period = 100_000
    quota = int(period * SMALL_CPU)
    if (CGROUPS / "cgroup.controllers").exists():
        limits = {CGROUPS / name: {"cpu.max": f"{quota} {period}", "memory.max": str(SMALL_BYTES)}}
    else:
        limits = {
            CGROUPS / "cpu" / name: {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(quota)},
            CGROUPS / "memory" / name: {"memory.limit_in_bytes": str(SMALL_BYTES)},
        }
    made = []
    try:
        try:
            for folder, values in limits.items():
                folder.mkdir()
                made.append(folder)
                for file, value in values.items():
                    (folder / file).write_text(value)
                (folder / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise RuntimeError(f"no cgroup can be made here: {error}") from error
        yield made[0]
    finally:
        for folder in made:
            release(folder)


def release(folder):
    """Back to where it came from, so that the group can go."""
    for pid in (folder / "cgroup.procs").read_text().split():
        try:
            (folder.parent / "cgroup.procs").write_text(pid)
        except OSError:
            pass
    folder.rmdir()
