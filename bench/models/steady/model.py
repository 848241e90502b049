"""Takes five milliseconds, whatever comes: its capacity is known, so that more can be asked of it than it has."""

import time

import onstage as on

SECONDS = 0.005


@on.predict
def steady(x: int) -> int:
    time.sleep(SECONDS)
    return x
