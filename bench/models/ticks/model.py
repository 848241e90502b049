"""An event a second that says when it was sent: what is measured is how soon every reader has it."""

import time
from typing import Iterator

import onstage as on


@on.predict
def ticks(seconds: int) -> Iterator[dict]:
    for _ in range(seconds):
        yield {"sent": time.time()}
        time.sleep(1)
