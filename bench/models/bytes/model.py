"""Bytes in, their number out: what is measured is how they get to the model."""

import onstage as on


@on.predict
def count(data: on.File) -> int:
    return len(data.bytes())
