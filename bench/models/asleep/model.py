"""Answers what it was given and soon sleeps: what is measured is how it wakes."""

import onstage as on


@on.predict
def asleep(x: int) -> int:
    return x
