"""huey on SQLite, set up by its documentation: jobs that do nothing, submitted, then drained with one worker.

WAL is its default; `fsync` makes each submission durable, as Onstage's are. `python drain.py FOLDER JOBS`.
"""

import json
import sys
import time
from pathlib import Path

from huey import SqliteHuey

POLL_SECONDS = 0.02
SECONDS_MAX = 120

folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
huey = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=True)


@huey.task()
def noop(x):
    return x


def main():
    begun = time.monotonic()
    results = [noop(number) for number in range(jobs)]
    submitted = time.monotonic() - begun
    # The fastest of its settings here: one worker that looks as often as it may.
    consumer = huey.create_consumer(
        workers=1, worker_type="thread", initial_delay=0.001, max_delay=0.001, periodic=False
    )
    begun = time.monotonic()
    consumer.start()
    while huey.storage.result_store_size() < jobs:
        if time.monotonic() - begun > SECONDS_MAX:
            raise SystemExit(f"only {huey.storage.result_store_size()} of {jobs} were done")
        time.sleep(POLL_SECONDS)
    drained = time.monotonic() - begun
    consumer.stop()
    wrong = sum(result.get() != number for number, result in enumerate(results))
    print(json.dumps({"submitted_per_s": jobs / submitted, "drained_per_s": jobs / drained, "wrong": wrong}))


main()
