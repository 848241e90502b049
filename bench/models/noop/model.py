"""Answers what it was given, in the background: what is measured is the queue around it."""

import onstage as on


@on.predict(background=True)
def noop(x: int) -> int:
    return x
