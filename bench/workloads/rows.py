"""J4: a million rows of the digits example as a batch job, beside a plain Python loop over the same function."""

import csv
import json
import subprocess
import threading
import time
from pathlib import Path

import machine
from load import Ask
from ours import House
from world import OURS

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "examples" / "digits"
ROWS = 1_000_000
LOOP_ROWS = 60_000
LOOP = "a plain loop"
SAMPLE_SECONDS = 1.0
SECONDS_MAX = 1_500
HEALTH = Ask("/healthz", method="GET")

# Runs in the model's own environment: the function that workers call, over rows that are in memory already.
LOOP_CODE = """
import csv, json, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import model
forest = model.forest.__wrapped__() if hasattr(model.forest, "__wrapped__") else model.forest()
rows = [{"image": None, "pixels": json.loads(row["pixels"])} for row in csv.DictReader(open(sys.argv[3]))]
rows = (rows * (int(sys.argv[4]) // len(rows) + 1))[: int(sys.argv[4])]
many = next(value for name, value in vars(model).items() if name == "_")
many(rows[:256], forest=forest)
begun = time.perf_counter()
for at in range(0, len(rows), 256):
    many(rows[at : at + 256], forest=forest)
print(json.dumps({"rows_per_s": len(rows) / (time.perf_counter() - begun)}))
"""


def run(world):
    house = House(world, "rows", [])
    with house.stage() as stage:
        stage.verb("push", DIGITS)
        python = environment_python(house)
    table = world.folder / "million.csv"
    write_table(table, ROWS)
    before = loop(python)
    with house.serving(HEALTH) as ours, Watch(ours.pid) as watch:
        command = [world.onstage, "batch", "digits", table, "--out", world.folder / "answers.csv", "--json"]
        begun = time.monotonic()
        subprocess.run(
            [str(part) for part in command],
            env={**house.stage().environment, "ONSTAGE_URL": f"http://{ours.address}", "ONSTAGE_TOKEN": house.token},
            stdout=subprocess.DEVNULL,
            timeout=SECONDS_MAX,
            check=True,
        )
        seconds = time.monotonic() - begun
    after = loop(python)
    world.figures.add("J4", OURS, "rows", ROWS / seconds, "rows/s")
    for rate in (before, after):
        world.figures.add("J4", LOOP, "rows", rate, "rows/s")
    growth(world, watch)
    check_answers(world, world.folder / "answers.csv")


def growth(world, watch):
    """How much more the front and the task have in the last third of the run than in the first after the start."""
    for name, values in (("front", watch.front), ("task", watch.task)):
        third = max(1, len(values) // 3)
        middle, last = values[third // 2 : third + third // 2], values[-third:]
        if middle and last:
            grown = 100 * (max(last) / max(middle) - 1)
            world.figures.add("J4", OURS, f"{name} grows", grown, "%")
            world.figures.add("J4", OURS, f"{name} holds", max(values), "MB")


def check_answers(world, place):
    with open(place, newline="") as file:
        rows = wrong = 0
        for row in csv.DictReader(file):
            rows += 1
            wrong += row["answer"] == "" or row["error"] != ""
    world.figures.add("J4", OURS, "rows answered", rows - wrong)


def environment_python(house):
    return next(Path(house.data).glob("environments/*/bin/python"))


def loop(python):
    sdk = ROOT / "python"
    done = subprocess.run(
        [python, "-c", LOOP_CODE, sdk, DIGITS, DIGITS / "heldout.csv", str(LOOP_ROWS)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["rows_per_s"]


def write_table(place, rows):
    with open(DIGITS / "heldout.csv") as file:
        head, *lines = file.read().splitlines(keepends=True)
    with open(place, "w") as file:
        file.write(head)
        for at in range(0, rows, len(lines)):
            file.writelines(lines[: rows - at])


class Watch:
    """Samples the memory of the front and of its task; what the model holds is the model's."""

    def __init__(self, pid):
        self.pid, self.front, self.task = pid, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        while not self.over.wait(SAMPLE_SECONDS):
            self.front.append(machine.one_pss_kb(self.pid) / 1e3)
            tasks = [kb for kb in map(machine.one_pss_kb, tasks_of(self.pid)) if kb]
            if tasks:
                self.task.append(sum(tasks) / 1e3)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def tasks_of(pid):
    """Processes that run `onstage task`, which may have left their parent."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"task"] and int(place.parent.name) in machine.tree(pid):
            found.append(int(place.parent.name))
    return found
