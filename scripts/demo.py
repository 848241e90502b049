"""The demo behind `make demo`: puts the examples on stage, uses each once, and keeps serving.

With --check every answer is verified and the exit code says whether all were right.
"""

import argparse
import csv
import io
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from stage import Stage

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
MODELS = ("activity", "activity-plan", "digits", "heavy")
DIGITS_ACCURACY_LEAST = 0.9


class Show:
    """Prints what happens, and remembers what was not as it should be."""

    def __init__(self, check):
        self.check, self.wrong = check, []

    def __call__(self, text=""):
        print(text, flush=True)

    def expect(self, right, what):
        if self.check:
            self(f"     {'✓' if right else '✗'} {what}")
        if not right:
            self.wrong.append(what)


def push_all(stage, show):
    show("\n  Putting the examples on stage")
    for name in MODELS:
        started = time.monotonic()
        version = stage.json("push", EXAMPLES / name, quiet=not sys.stderr.isatty())
        show(f"   • {name}: version {version['number']} is {version['state']} ({time.monotonic() - started:.1f} s)")
        show.expect(version["state"] == "ready", f"{name} is ready")


def realtime(stage, show):
    show("\n  A realtime prediction: onstage run digits image=@examples/digits/examples/3.png")
    answer = stage.json("run", "digits", f"image=@{EXAMPLES / 'digits/examples/3.png'}")
    scores = answer["output"] or {}
    best = max(scores, key=scores.get, default=None)
    milliseconds = 1000 * answer["metrics"].get("predict_time", 0)
    show(f"   → {best}, {100 * scores.get(best, 0):.0f} % sure, in {milliseconds:.0f} ms")
    show.expect(answer["status"] == "succeeded", "the prediction succeeded")
    show.expect(best == "3", "the digit is a 3")
    learnt = stage.json("run", "activity", "gender=female", "past_activity=shopping")
    best = max(learnt["output"], key=learnt["output"].get)
    show(f"   → after shopping: {best}")
    show.expect("shopping" not in learnt["output"], "what was just done is not recommended")
    show.expect(abs(sum(learnt["output"].values()) - 1) < 1e-6, "the shares sum to one")


def background(stage, show):
    show("\n  A background prediction: onstage run activity-plan start=2026-05-01 end=2026-05-14")
    answer = stage.json("run", "activity-plan", "start=2026-05-01", "end=2026-05-14", quiet=not sys.stderr.isatty())
    show.expect(answer["kind"] == "background" and answer["status"] == "succeeded", "the job succeeded")
    rows = table_of(stage, answer["output"])
    for row in rows[:3]:
        show(f"   → {row['date']} {row['weekday']:<9} {row['activity']}")
    show(f"     … {len(rows)} days")
    show.expect(len(rows) == 14, "the plan has 14 days")
    show.expect(all(a["activity"] != b["activity"] for a, b in zip(rows, rows[1:])), "no activity comes twice in a row")


def table_of(stage, link):
    """The rows of a CSV that came as a data URL or as a link."""
    import urllib.request

    if link.startswith("data:"):
        data = urllib.request.urlopen(link).read()
    else:
        address = link if link.startswith("http") else stage.url + link
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {stage.token}"})
        data = urllib.request.urlopen(request, timeout=60).read()
    return list(csv.DictReader(io.StringIO(data.decode())))


def batch(stage, show):
    show("\n  A batch job: onstage batch digits examples/digits/heldout.csv --label digit")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.csv"
        table = EXAMPLES / "digits/heldout.csv"
        job = stage.json("batch", "digits", table, "--label", "digit", "--out", result, quiet=not sys.stderr.isatty())
        rows = list(csv.DictReader(result.open()))
    accuracy = job["metrics"].get("accuracy") or 0
    counts = job["counts"]
    show(f"   → {counts['done']} rows, {counts['failed']} failed, {100 * accuracy:.1f} % of unseen digits read right")
    show.expect(job["status"] == "succeeded", "the batch job succeeded")
    show.expect(job["counts"]["done"] == 500 and job["counts"]["failed"] == 0, "500 rows, none failed")
    show.expect(accuracy >= DIGITS_ACCURACY_LEAST, f"accuracy is at least {DIGITS_ACCURACY_LEAST}")
    right = sum(row["answer"] == row["digit"] for row in rows)
    show.expect(len(rows) == 500 and right == round(accuracy * 500), "the result table says the same")


def heavy(stage, show):
    show("\n  Twenty people at once at a model that takes a second for each microbatch: heavy")
    answers, started = [], time.monotonic()

    def one(x):
        answers.append(stage.http("POST", "/v1/models/lab/heavy/predictions", {"input": {"x": x}}))

    people = [threading.Thread(target=one, args=(x,)) for x in range(20)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    show(f"   → {len(answers)} answers in {time.monotonic() - started:.1f} s")
    show.expect(
        all(status == 201 and body["status"] == "succeeded" for status, body in answers), "all twenty were answered"
    )


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True)
    options.add_argument("--check", action="store_true", help="verify every answer, then exit")
    options.add_argument("--listen", default=None)
    chosen = options.parse_args()
    show = Show(chosen.check)
    cache = Path(os.environ.get("ONSTAGE_CACHE") or Path.home() / ".cache/onstage")
    data = cache / ("demo-check" if chosen.check else "demo")
    listen = chosen.listen or ("127.0.0.1:0" if chosen.check else "127.0.0.1:8484")
    started = time.monotonic()
    with Stage(chosen.binary, data, listen) as stage:
        show(f"\n  Onstage is up after {time.monotonic() - started:.2f} s at {stage.url}")
        for act in (push_all, realtime, background, batch, heavy):
            act(stage, show)
        if chosen.check:
            verdict = f"{len(show.wrong)} answers were wrong" if show.wrong else "every answer was right"
            show(f"\n  {verdict}")
            return 1 if show.wrong else 0
        show("\n  Open the page (this link works once):")
        show(f"\n     {stage.login}\n")
        show(f"  In another terminal:  export ONSTAGE_DATA={data}")
        show(f"                        {chosen.binary} models")
        show("  Ctrl-C ends it.")
        wait_for_the_end(stage)
    return 0


def wait_for_the_end(stage):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stage.process.wait()
    except KeyboardInterrupt:
        print("\n  Ending …", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # Ctrl-C before the demo was done; the server has been stopped on the way here.
        sys.exit("\n  Ended before it was done.")
