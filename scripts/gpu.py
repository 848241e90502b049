"""Looks at what only a real GPU shows: who has it, what comes free again, what is said when there is not enough.

Needs a machine with an NVIDIA GPU and a Python that has PyTorch with CUDA; all else of Onstage is tested without.
Prints a line for each look; ends with 1 when one failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stage import Stage

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "bench/models/gpu"
CANCER = ROOT / "examples/breast-cancer"
WAIT_SECONDS_MAX = 120
# Between what a process of the GPU's holds and what the card reports some pages differ.
MEMORY_SLACK_MIB = 300
ROWS = 200_000
# The rows a second of the model's function without anything around it.
PLAIN = """
import sys, time, model
rows, net = int(sys.argv[1]), model.net()
model.answers(net, [0.5] * 64, 0)
began = time.monotonic()
for first in range(0, rows, 64):
    model.answers(net, [row / 1000 for row in range(first, min(first + 64, rows))], 0)
print(rows / (time.monotonic() - began))
"""


class Looks:
    def __init__(self):
        self.failed = 0

    def see(self, what, well, seen):
        self.failed += not well
        print(f"{'ok  ' if well else 'FAIL'}  {what}: {seen}", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True)
    options.add_argument("--python", default=sys.executable, help="has PyTorch with CUDA")
    chosen = options.parse_args()
    looks = Looks()
    with tempfile.TemporaryDirectory(prefix="onstage-gpu-") as folder:
        settings = {"ONSTAGE_TEMPLATE_PYTHON": chosen.python}
        with Stage(chosen.binary, Path(folder) / "data", environment=settings) as stage:
            bench = Bench(stage, Path(folder), chosen.python, looks)
            for look in (doctor, shares, memory, setup_shared, takes_turns, rows, template):
                began = time.monotonic()
                try:
                    look(bench)
                except SystemExit as failure:
                    looks.see(look.__name__, False, str(failure)[-2000:])
                print(f"      {time.monotonic() - began:.1f} s", flush=True)
            if looks.failed:
                print(stage.printed()[-4000:], file=sys.stderr)
    return 1 if looks.failed else 0


class Bench:
    """A server, and models made of the one model by what their settings say."""

    def __init__(self, stage, folder, python, looks):
        self.stage, self.folder, self.python, self.see = stage, folder, python, looks.see
        self.at_first = used_mib()

    def push(self, name, sections):
        place = self.folder / name
        shutil.copytree(MODEL, place)
        head = f'[model]\nname = "{name}"\n\n[environment]\npython = "{self.python}"\n\n'
        (place / "onstage.toml").write_text(head + sections)
        return self.stage.json("push", place)

    def ask(self, name, wait=60, **values):
        headers = {"Prefer": f"wait={wait}"}
        return self.stage.http("POST", f"/v1/models/lab/{name}/predictions", {"input": values}, headers)[1]

    def train(self, name, **values):
        _, model = self.stage.http("GET", f"/v1/models/lab/{name}")
        path = f"/v1/models/lab/{name}/versions/{model['latest_version']['id']}/trainings"
        status, made = self.stage.http("POST", path, {"input": values})
        if status != 201:
            raise SystemExit(f"error: no training: {status} {made}")
        return f"/v1/trainings/{made['id']}"

    def workers(self, name):
        return self.stage.http("GET", f"/v1/models/lab/{name}")[1]["readiness"]["workers"]

    def until(self, what, found):
        until = time.monotonic() + WAIT_SECONDS_MAX
        while time.monotonic() < until:
            got = found()
            if got:
                return got
            time.sleep(0.1)
        raise SystemExit(f"error: not within {WAIT_SECONDS_MAX} s: {what}")

    def ended(self, path):
        def done():
            record = self.stage.http("GET", path)[1]
            return record if record["status"] in ("succeeded", "failed", "canceled") else None

        return self.until(f"the end of {path}", done)


def used_mib():
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return sum(int(line) for line in text.split())


def doctor(bench):
    line = next(line for line in bench.stage.verb("doctor", check=False).splitlines() if "gpus" in line)
    bench.see("the machine's GPUs are found", "none" not in line, " ".join(line.split()))


def shares(bench):
    """Two halves of one GPU are two workers on it, and there is no third."""
    bench.push("halves", '[realtime]\ngpu = 0.5\nworkers = { max = 4 }\nidle = "5m"\n')
    first = bench.ask("halves", x=1)
    bench.see("a prediction on the GPU", first["status"] == "succeeded", first.get("output") or first.get("error"))
    most = 0
    with ThreadPoolExecutor(48) as pool:
        asked = [pool.submit(bench.ask, "halves", x=number / 400) for number in range(2_000)]
        while not all(one.done() for one in asked):
            most = max(most, bench.workers("halves"))
            time.sleep(0.05)
    answers = [one.result() for one in asked]
    right = sum(one["status"] == "succeeded" for one in answers)
    seen = {one["output"]["gpus"] for one in answers if one["output"]}
    bench.see("all are answered on the one device", right == len(asked) and len(seen) == 1, f"{right} on {seen}")
    bench.see("half a GPU each: two workers at most", most <= 2, f"{most} workers at once")


def memory(bench):
    """What is too much for the card is told as such, and the worker answers on."""
    greedy = bench.ask("halves", x=1, gib=4_000)
    bench.see("4,000 GiB of GPU memory", greedy.get("reason") == "out_of_memory", greedy.get("reason"))
    after = bench.ask("halves", x=1)
    bench.see("the next answer", after["status"] == "succeeded", after["status"])


def setup_shared(bench):
    """A process that uses a GPU is not forked, and the build's log says so."""
    version = bench.push("forked", '[realtime]\nshare = "setup"\ngpu = 0.5\n')
    log = bench.stage.verb("logs", "forked", check=False)
    bench.see('`share = "setup"` with a GPU', "it uses a GPU" in log, log.strip()[-400:])
    answer = bench.ask("forked", x=2)
    bench.see("it answers all the same", answer["status"] == "succeeded", (version["state"], answer["status"]))


def takes_turns(bench):
    """A training takes the whole GPU from idle workers; who comes meanwhile waits; its memory comes free at once."""
    bench.push("trained", "[training]\ngpu = 1\n[realtime]\ngpu = 0.5\n")
    bench.ask("trained", x=3)
    awake = used_mib()
    training = bench.train("trained", seconds=8)
    bench.until("it trains", lambda: "trains on" in str(bench.stage.http("GET", f"{training}/logs")[1]))
    workers = {name: bench.workers(name) for name in ("halves", "forked", "trained")}
    bench.see("idle workers gave the GPU up", not any(workers.values()), f"{workers}, {awake} MiB before")
    began = time.monotonic()
    answer = bench.ask("trained", x=3)
    record = bench.ended(training)
    waited = time.monotonic() - began
    bench.see("a prediction waits for the training", answer["status"] == "succeeded" and waited > 1, f"{waited:.1f} s")
    log = bench.stage.http("GET", f"{training}/logs")[1].strip().splitlines()
    bench.see("a training", record["status"] == "succeeded", record["error"] or (record["metrics"], log[-1:]))
    bench.ended(bench.train("trained", seconds=0.1))
    left = bench.until("the GPU is free", lambda: free(bench))
    bench.see("memory of the GPU comes free", True, f"{bench.at_first} MiB at first, {awake} awake, {left} at the end")


def free(bench):
    used = used_mib()
    return used if used <= bench.at_first + MEMORY_SLACK_MIB else None


def rows(bench):
    """A batch job in a task of its own, beside the same function in a plain loop."""
    bench.push("table", "[jobs]\ngpu = 1\n")
    table = bench.folder / "rows.csv"
    table.write_text("x\n" + "".join(f"{number / 1000}\n" for number in range(ROWS)))
    began = time.monotonic()
    job = bench.stage.json("batch", "table", table, check=False)
    rate = ROWS / (time.monotonic() - began)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    plain = subprocess.run(
        [bench.python, "-c", PLAIN, str(ROWS)], cwd=MODEL, env=environment, stdout=subprocess.PIPE, check=True
    )
    share = f"{rate:,.0f} rows/s with the worker's start, {rate / float(plain.stdout):.2f} of a plain loop without"
    bench.see("a batch job", job["status"] == "succeeded", f"{job.get('counts')}, {share}")


def template(bench):
    """The network of a template learns on the GPU."""
    config = {**json.loads((CANCER / "config.json").read_text()), "device": "cuda"}
    status, made = bench.stage.http(
        "POST", "/v1/models/lab/cancer/versions", {"template": "tabular-torch", "config": config}
    )
    bench.see("a model from the template", status == 201, status if status == 201 else made)
    ready = lambda: bench.stage.http("GET", "/v1/models/lab/cancer/versions/v1")[1]["state"] != "building"  # noqa: E731
    bench.until("it is built", ready)
    record = bench.stage.json(
        "train", "cancer", f"data=@{CANCER / 'train.csv'}", "--promote", "--seed", "7", check=False
    )
    bench.see("its training on `cuda`", record["status"] == "succeeded", record.get("metrics") or record.get("error"))
    job = bench.stage.json("batch", "cancer", CANCER / "heldout.csv", "--label", "diagnosis", check=False)
    bench.see(
        "held-out rows", job["status"] == "succeeded", {name: job.get(name) for name in ("counts", "accuracy", "label")}
    )


if __name__ == "__main__":
    os.environ.setdefault("ONSTAGE_LOG", "info")
    sys.exit(main())
