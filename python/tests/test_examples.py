"""The examples as plain Python: described without their libraries, documented, and called as in a unit test.

It must not start servers; how the examples behave on stage is tested end to end, in Rust.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import onstage as on
from onstage import static

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/model.py"))


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name.replace('-', '_')}", EXAMPLES / name / "model.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_is_described_without_importing_anything_heavy(folder):
    before = set(sys.modules)
    contract = static.contract(str(folder / "model.py"))
    assert contract is not None, "it takes an import to know its schema"
    assert {name.split(".")[0] for name in set(sys.modules) - before} <= {"onstage", "datetime", "typing"}
    properties = contract.schema()["components"]["schemas"]["Input"]["properties"]
    examples = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "examples").glob("*.json")]
    assert examples, "it has no examples"
    for example in examples:
        assert set(example["input"]) <= set(properties)
    assert f"# {folder.name}\n" in (folder / "README.md").read_text(encoding="utf-8")


def test_activity_and_its_plan_share_what_was_learnt():
    pytest.importorskip("pandas")
    activity, plan = load("activity"), load("activity-plan")
    ctx = on.Ctx(seed=1)
    for _ in range(50):
        scores = activity.recommend("female", "museum", ctx=ctx)
    assert "museum" not in scores
    assert sum(scores.values()) == pytest.approx(1.0)
    scores = activity.recommend("female", "reading", ctx=ctx)
    assert max(scores, key=scores.get) == "museum"
    table = plan.plan("2026-05-01", "2026-05-04", "female", 2, ctx=ctx)
    assert list(table.columns) == ["date", "weekday", "activity", "fit"]
    assert "museum" in list(table["activity"])
    for start, end, field in (("2026-02-30", "2026-03-01", "start"), ("2026-05-02", "2026-05-01", "end")):
        with pytest.raises(on.UserError) as raised:
            plan.plan(start, end, ctx=ctx)
        assert raised.value.field == field


def test_heavy_takes_the_same_time_for_one_and_for_many(monkeypatch):
    numpy = pytest.importorskip("numpy")
    monkeypatch.setenv("HEAVY_MB", "1")
    monkeypatch.setenv("HEAVY_SECONDS", "0")
    heavy = load("heavy")
    assert heavy.weights.value().nbytes == 1 << 20
    many = heavy.transform.vectorised([{"x": float(x)} for x in range(100)])
    assert many == pytest.approx([heavy.transform(float(x)) for x in range(100)])
    assert isinstance(many[0], float)
    assert numpy.isfinite(many).all()
