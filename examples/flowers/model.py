"""Tells three kinds of iris apart by four lengths, and trains itself from a table; plain Python, no package."""

from __future__ import annotations

import json
import math
import random
from typing import List, Optional

import onstage as on

LENGTHS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SPECIES = ["setosa", "versicolor", "virginica"]
# Every fifth row, after shuffling, is kept back to measure.
HELD_OUT_EVERY = 5

# For each species a factor for each length, and a constant.
Factors = List[List[float]]


def shares(factors: Factors, row: List[float]) -> List[float]:
    """Softmax: how likely each species is."""
    sums = [sum(a * b for a, b in zip(species, [*row, 1.0])) for species in factors]
    powers = [math.exp(value - max(sums)) for value in sums]
    return [power / sum(powers) for power in powers]


@on.setup
def factors(ctx: on.Ctx) -> Optional[Factors]:
    """What a training found; None in the version that was pushed, which has no weights yet."""
    return json.loads(ctx.weights.read_text()) if ctx.weights else None


@on.predict
def classify(
    sepal_length: float = on.Input("In centimetres", ge=0, le=20),
    sepal_width: float = on.Input("In centimetres", ge=0, le=20),
    petal_length: float = on.Input("In centimetres", ge=0, le=20),
    petal_width: float = on.Input("In centimetres", ge=0, le=20),
    *,
    factors: Optional[Factors],
) -> on.Scores:
    """Which iris is this? A version that was not trained knows nothing, and says so with equal scores."""
    row = [sepal_length, sepal_width, petal_length, petal_width]
    known = shares(factors, row) if factors else [1 / 3] * 3
    return dict(zip(SPECIES, known))


@on.train
def fit(
    data: on.Dataset = on.Input("A table with the four lengths and the species"),
    epochs: int = on.Input("Rounds through the table", default=60, ge=1, le=100_000),
    rate: float = on.Input("How far one row may move a factor", default=0.02, ge=0.0001, le=1),
    *,
    ctx: on.Ctx,
) -> on.Weights:
    """Softmax regression by gradient descent, one row at a time."""
    rows = [([float(row[name]) for name in LENGTHS], SPECIES.index(row["species"])) for row in data.rows()]
    random.Random(ctx.seed).shuffle(rows)
    held_out, seen = rows[::HELD_OUT_EVERY], [row for at, row in enumerate(rows) if at % HELD_OUT_EVERY]
    state = {"epoch": 0, "factors": [[0.0] * 5 for _ in SPECIES]}
    if ctx.resume:
        state = json.loads(ctx.resume.read_text())
    while state["epoch"] < epochs and not ctx.cancelled:
        loss = one_epoch(state["factors"], seen, rate)
        state["epoch"] += 1
        ctx.progress(state["epoch"], epochs, "training")
        ctx.metric(step=state["epoch"], loss=loss, accuracy=accuracy(state["factors"], held_out))
        if state["epoch"] % 20 == 0:
            ctx.checkpoint(written("checkpoint.json", state))
    weights = written("factors.json", state["factors"])
    return on.Weights(weights, metrics={"accuracy": accuracy(state["factors"], held_out)})


def one_epoch(factors: Factors, rows: List, rate: float) -> float:
    loss = 0.0
    for lengths, species in rows:
        found = shares(factors, lengths)
        loss -= math.log(max(found[species], 1e-9))
        for at, share in enumerate(found):
            step = rate * ((at == species) - share)
            factors[at] = [factor + step * value for factor, value in zip(factors[at], [*lengths, 1.0])]
    return loss / len(rows)


def accuracy(factors: Factors, rows: List) -> float:
    right = 0
    for lengths, species in rows:
        found = shares(factors, lengths)
        right += found.index(max(found)) == species
    return right / len(rows)


def written(name: str, content: object) -> str:
    with open(name, "w") as file:
        json.dump(content, file)
    return name
