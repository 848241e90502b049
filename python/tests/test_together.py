"""Outcomes of a whole microbatch made at once: the same bytes as one by one, or left to one by one."""

from typing import Any, Dict, List, Optional

import pytest

import onstage as on
from onstage.contract import checked
from onstage.errors import BadInput
from onstage.wire import Incoming, Outgoing
from onstage.worker.outcome import all_succeeded, output_json, succeeded


def shape_of(hint):
    def predict(x: int):
        return x

    predict.__annotations__["return"] = hint
    return checked(on.predict(predict)).piece()


def one_by_one(shape, values):
    return b",".join(succeeded(item, output_json(shape, value, Outgoing())) for item, value in enumerate(values))


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (on.Scores, [{"a": 0.1, "b": 0.7}, {"a": 1e300, "b": 1e-300}]),
        (Dict[str, List[float]], [{"a": [0.5]}, {"b": [1.5, 2.5]}]),
        (List[List[int]], [[[1, 2], [3]], [[2**64 - 1]]]),
        (str, ["so", '[[{ é \U0001f600 \\ " \n']),
        (bool, [True, False]),
        (float, [0.1, 2.0]),
        (Any, [{"a": [1, None, True, "x"]}, 7]),
    ],
)
def test_at_once_gives_the_same_bytes(hint, values):
    shape = shape_of(hint)
    assert all_succeeded(shape, list(range(len(values))), values) == one_by_one(shape, values)


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (on.Scores, [{"a": 0.5}, {"a": float("nan")}]),
        (on.Scores, [{"a": 0.5}, {}]),
        (on.Scores, [{"a": 0.5}, {1: 0.5}]),
        (on.Scores, [{"a": 0.5}, ValueError("no")]),
        (on.Scores, [{"a": 0.5}, {"$path": 0.5}]),
        (int, [1, True]),
        (int, [1, 2**64]),
        (float, [1.0, 2]),
        (Optional[float], [1.0, None]),
        (str, ["a", "\ud800"]),
        (Any, [1, float("inf")]),
        (Any, [1, 10**400]),
        (Any, [1, {"a": {1, 2}}]),
        (Any, [1, {"$blob": "key"}]),
        (Any, [1, [[[[[[[[[[[1]]]]]]]]]]]]),
        (str, ["x" * 600_000, "x" * 600_000]),
    ],
)
def test_what_needs_a_closer_look_is_left_alone(hint, values):
    assert all_succeeded(shape_of(hint), list(range(len(values))), values) is None


def decoded(hint, value):
    def predict(x):
        return 0

    predict.__annotations__["x"] = hint
    return checked(on.predict(predict)).decode({"x": value}, Incoming([], None, False))["x"]


def test_lists_of_numbers_are_taken_at_once_or_looked_at_one_by_one():
    numbers = decoded(List[float], [1, 2.5, 0])
    assert numbers == [1.0, 2.5, 0.0]
    assert all(type(number) is float for number in numbers)
    assert decoded(List[int], [1, 2]) == [1, 2]
    assert decoded(List[int], [1, 2.0]) == [1, 2]
    assert decoded(Dict[str, float], {"a": 1}) == {"a": 1.0}
    for bad in ([1, True], [1.5, "2"], [1, 10**400], [None]):
        with pytest.raises(BadInput):
            decoded(List[float], bad)
