"""Inputs that a model knows only when it is imported: `inputs=` beside `**row`, and `on.weights()`.

It must not reach into the runner's modules.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Optional

import pytest

import onstage as on
from onstage.contract import checked
from onstage.errors import BadInput, DeclarationError
from onstage.wire import Incoming

MODEL = """
    import json
    from typing import Any
    import onstage as on

    NAMES = json.loads(on.weights().read_text()) if on.weights() else None

    @on.setup
    def sign(ctx: on.Ctx):
        return -1 if ctx.weights else 1

    @on.predict(inputs=Any if NAMES is None else dict.fromkeys(NAMES, float))
    def total(*, sign, **row) -> float:
        return sign * sum(row.values())

    @total.many(max=4)
    def totals(rows, *, sign):
        return [sign * sum(row.values()) for row in rows]
"""


def test_a_worker_with_weights_declares_what_they_name(start, tmp_path, monkeypatch):
    weights = tmp_path / "names.json"
    weights.write_text(json.dumps(["mean radius", "class"]))
    monkeypatch.setenv("ONSTAGE_WEIGHTS", str(weights))
    host = start(MODEL, ready=False)
    schema = host.describe()["schema"]["components"]["schemas"]["Input"]
    assert list(schema["properties"]) == schema["required"] == ["mean radius", "class"]
    assert schema["additionalProperties"] is False
    assert host.setup(weights=str(weights))["t"] == "ready"
    assert host.one(**{"mean radius": 1, "class": 2}) == -3
    assert [one["output"] for one in host.predict({"mean radius": 1, "class": 2}, {"mean radius": 4, "class": 0})] == [
        -3,
        -4,
    ]


def test_one_without_takes_anything(start, monkeypatch):
    monkeypatch.delenv("ONSTAGE_WEIGHTS", raising=False)
    host = start(MODEL, ready=False)
    schema = host.describe()["schema"]["components"]["schemas"]["Input"]
    assert (schema["properties"], schema["additionalProperties"]) == ({}, True)
    assert host.setup()["t"] == "ready"
    assert host.one(a=1, b=2) == 3


def made(inputs: Any):
    @on.predict(inputs=inputs)
    def f(scale: float = 1.0, *, ctx: on.Ctx, **row: Any) -> Any:
        return row

    return f


def test_rules_and_defaults_hold_for_them_too():
    f = made({"kind": Annotated[str, on.Input("Which", choices=["a", "b"])], "size": Optional[float]})
    contract = checked(f)
    properties = contract.schema()["components"]["schemas"]["Input"]["properties"]
    assert properties["kind"]["enum"] == ["a", "b"]
    assert contract.decode({"kind": "a"}, Incoming()) == {"scale": 1.0, "kind": "a", "size": None}
    for given, says in (({}, "`kind` is missing"), ({"kind": "a", "x": 1}, "`x` is not an input")):
        with pytest.raises(BadInput, match=says):
            contract.decode(given, Incoming())


def test_a_plain_call_fills_in_defaults_and_misses_what_is_required():
    f = made({"kind": str, "size": Annotated[float, on.Input(default=2.0)]})
    assert f(kind="a") == {"kind": "a", "size": 2.0}
    with pytest.raises(TypeError, match="kind"):
        f(size=1.0)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(DeclarationError, match="names 'scale'"):
        checked(made({"scale": float}))
    with pytest.raises(DeclarationError, match=r"write `def g\(\*\*row\)`"):

        @on.predict(inputs={"x": float})
        def g(y: float) -> float:
            return y

        checked(g)
    with pytest.raises(DeclarationError, match=r"name every input"):

        @on.predict
        def h(**row: float) -> float:
            return 0.0

        checked(h)
