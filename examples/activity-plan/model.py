"""Plans an activity for every day between two dates, from what the `activity` model has learnt."""

import datetime as dt
from typing import Literal

import numpy as np
import pandas as pd

import onstage as on

ACTIVITIES = ("cinema", "cooking", "hiking", "museum", "reading", "shopping", "swimming")
OUTDOORS = {"hiking", "swimming"}
DAYS_MAX = 1000

# How many times worse it is to do the same thing again within so many days.
REPEAT_PENALTY = {1: 0.02, 2: 0.2, 3: 0.5}
# Weekends are for going out.
WEEKEND_BONUS = 2.0


def read_date(text: str, field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise on.UserError(f"{text!r} is not a date of the calendar; write it like 2026-05-01", field=field) from None


def liking(learnt: dict, gender: str) -> np.ndarray:
    """How much this gender likes each activity. Shape (7,), sums to 1; one call counts as much as the first guess."""
    counts = np.array([1.0 + float(learnt.get(f"{gender}/{name}", 0)) for name in ACTIVITIES])
    return counts / counts.sum()


def weigh(day: dt.date, liked: np.ndarray, recent: list) -> np.ndarray:
    """How well each activity fits this day after what was done on the days before. Shape (7,), sums to 1."""
    weights = liked.copy()
    for index, name in enumerate(ACTIVITIES):
        if day.weekday() >= 5 and name in OUTDOORS:
            weights[index] *= WEEKEND_BONUS
        for days_ago, penalty in REPEAT_PENALTY.items():
            if len(recent) >= days_ago and recent[-days_ago] == name:
                weights[index] *= penalty
    return weights / weights.sum()


def best_continuation(day, liked, recent, look_ahead, samples, rng) -> int:
    """Tries each activity for this day, continues at random so many times, and keeps the one whose future is best."""
    scores = np.zeros(len(ACTIVITIES))
    today = weigh(day, liked, recent)
    for first in range(len(ACTIVITIES)):
        for _ in range(samples):
            past, score = [*recent[-3:], ACTIVITIES[first]], np.log(today[first])
            for ahead in range(1, look_ahead + 1):
                weights = weigh(day + dt.timedelta(days=ahead), liked, past)
                chosen = rng.choice(len(ACTIVITIES), p=weights)
                score += np.log(weights[chosen])
                past = [*past[-3:], ACTIVITIES[chosen]]
            scores[first] += score / samples
    return int(scores.argmax())


@on.predict(background=True)
def plan(
    start: str = on.Input("First day", regex=r"^\d{4}-\d{2}-\d{2}$", default="2026-05-01"),
    end: str = on.Input("Last day", regex=r"^\d{4}-\d{2}-\d{2}$", default="2026-05-14"),
    gender: Literal["female", "male", "other"] = on.Input("Who the plan is for", default="other"),
    samples: int = on.Input("How many futures to try for each choice", ge=1, le=200, default=10),
    *,
    ctx: on.Ctx,
) -> on.Table:
    """Plan my days

    One activity for every day between two dates. The plan follows what the `activity` model has learnt so far,
    avoids doing the same thing twice in a row, and goes outdoors at weekends. The answer is a table.
    """
    first, last = read_date(start, "start"), read_date(end, "end")
    days = (last - first).days + 1
    if days < 1:
        raise on.UserError("the last day is before the first", field="end")
    if days > DAYS_MAX:
        raise on.UserError(f"{days} days are more than {DAYS_MAX}; choose a shorter time", field="end")

    learnt = dict(ctx.state.space("activity").items(f"{gender}/"))
    liked = liking(learnt, gender)
    rng = np.random.default_rng(ctx.seed)
    rows, done = [], []
    for number in range(days):
        day = first + dt.timedelta(days=number)
        ctx.progress(number, days, f"planning {day:%A %d %B}")
        chosen = best_continuation(day, liked, done, look_ahead=3, samples=samples, rng=rng)
        done.append(ACTIVITIES[chosen])
        fit = weigh(day, liked, done[:-1])[chosen]
        rows.append(
            {
                "date": day.isoformat(),
                "weekday": f"{day:%A}",
                "activity": ACTIVITIES[chosen],
                "fit": round(float(fit), 3),
            }
        )
    ctx.progress(days, days, "done")
    return pd.DataFrame(rows)
