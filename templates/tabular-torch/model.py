"""A network over the columns of a table, made of what a request says (`template.json`); trains itself from a dataset.

Which columns there are is known when it has been trained: then each is an input of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List

import columns
import learn
import network

import onstage as on

CONFIG = json.loads(Path(__file__).with_name("template.json").read_text(encoding="utf-8"))["config"]
LEARNT = network.read_plan(on.weights()) if on.weights() else None
INPUTS = columns.inputs_of(LEARNT.columns) if LEARNT else Any
Answer = (on.Scores if LEARNT.target.classes else float) if LEARNT else Any

UNTRAINED = (
    "this version must be trained first, it has not learnt anything: `onstage train NAME data=DATASET --promote`, or "
    "`POST …/versions/{version}/trainings`; the version that the training makes answers"
)


@on.setup
def trained_network(ctx: on.Ctx) -> Any:
    """What a training found; None in the version that a request made."""
    return network.load(ctx.weights) if ctx.weights else None


@on.predict(inputs=INPUTS)
def predict(*, trained_network, **row) -> Answer:
    """Predict from a row of the table

    One value for each column. The answer is a probability for each class, the likeliest first, or a number.
    """
    return answers([row], trained_network)[0]


@predict.many(max=network.MICROBATCH)
def _(rows, *, trained_network) -> List[Any]:
    return answers(rows, trained_network)


def answers(rows: List[dict], trained: Any) -> List[Any]:
    if trained is None:
        raise on.UserError(UNTRAINED)
    return trained.answers(rows)


@on.train
def fit(
    data: on.Dataset = on.Input(f"A table with the column to predict, `{CONFIG['target']}`"),
    epochs: int = on.Input("Rounds through the table at most", default=CONFIG.get("epochs", 200), ge=1, le=1_000_000),
    *,
    ctx: on.Ctx,
) -> on.Weights:
    """Train on a table"""
    return learn.train(columns.read(data), CONFIG, epochs, ctx)
