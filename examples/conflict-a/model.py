"""Says which numpy it runs on; its twin needs another major version at the same time."""

import numpy as np

import onstage as on


@on.predict
def which(x: int = on.Input("A number", default=2)) -> dict:
    """Which numpy is this?"""
    return {"numpy": np.__version__, "square": int(np.square(x))}
