"""Recommends what to do next, from who asks and what they did last, and learns from every call."""

from typing import Literal

import numpy as np

import onstage as on

ACTIVITIES = ("cinema", "cooking", "hiking", "museum", "reading", "shopping", "swimming")
Activity = Literal["cinema", "cooking", "hiking", "museum", "reading", "shopping", "swimming"]
Gender = Literal["female", "male", "other"]

# How much the first guess weighs against what was learnt: as much as this many calls.
PRIOR_WEIGHT = 3.0


def first_guess() -> np.ndarray:
    """What is believed before anybody has called: every activity alike. Shape (7,), sums to 1."""
    return np.full(len(ACTIVITIES), 1.0 / len(ACTIVITIES))


def popularity(counts: np.ndarray) -> np.ndarray:
    """The posterior mean of a Dirichlet prior with these counts: what share likes each activity."""
    weights = counts + PRIOR_WEIGHT * first_guess()
    return weights / weights.sum()


@on.predict
def recommend(
    gender: Gender = on.Input("Who is asking"),
    past_activity: Activity = on.Input("What they did last time"),
    *,
    ctx: on.Ctx,
) -> on.Scores:
    """What shall we do next?

    Every call teaches the model: it remembers what people did, and recommends what others who are
    like you liked, leaving out what you just did. The counters are shared by all workers, survive
    restarts, and are read by the `activity-plan` model as well.
    """
    learnt = ctx.state.space("activity")
    learnt.add(f"{gender}/{past_activity}", 1)
    known = dict(learnt.items(f"{gender}/"))
    counts = np.array([float(known.get(f"{gender}/{name}", 0)) for name in ACTIVITIES])
    shares = popularity(counts)
    shares[ACTIVITIES.index(past_activity)] = 0.0
    shares /= shares.sum()
    return {name: float(share) for name, share in zip(ACTIVITIES, shares) if name != past_activity}
