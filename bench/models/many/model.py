"""Answers what it was given, many at once: what is measured is the batching around it."""

import onstage as on


@on.predict
def many(x: int) -> int:
    return x


@many.many(max=32, wait_ms=5)
def _(rows):
    return [row["x"] for row in rows]
