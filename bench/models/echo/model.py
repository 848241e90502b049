"""Answers what it was given: what is measured is everything around it."""

import onstage as on


@on.predict
def echo(x: int) -> int:
    return x
