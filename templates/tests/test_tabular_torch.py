"""The template `tabular-torch` as plain Python, on a real PyTorch: columns, layers, trainings, weights.

It must not start servers; what a request makes of the template is tested end to end, in Rust.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List

import columns
import learn
import network
import pytest
import torch

import onstage as on
from onstage.contract import checked

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "templates" / "tabular-torch"
EXAMPLE = ROOT / "examples" / "breast-cancer"

SCHEMA = json.loads((FOLDER / "config.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


def dataset(rows: List[Dict[str, Any]], name: str = "table.jsonl") -> on.Dataset:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return on.Dataset(name)


def table(rows: List[Dict[str, Any]]) -> columns.Table:
    return columns.read(dataset(rows))


def slopes(count: int = 200) -> List[Dict[str, Any]]:
    """A number that depends on a number, a text and a truth; some are missing."""
    made = []
    for n in range(count):
        x, kind, big = (n * 37 % 101) / 10, "abc"[n % 3], n % 5 == 0
        y = 3 * x + {"a": 0, "b": 10, "c": -5}[kind] + (20 if big else 0)
        made.append({"x": None if n % 50 == 49 else x, "kind": kind, "big": big, "y": y})
    return made


REGRESSION = {
    "target": "y",
    "layers": [{"type": "Linear", "out": 32}, "ReLU"],
    "optimizer": {"type": "Adam", "lr": 0.01},
}


def test_the_schema_lists_what_there_is():
    def listed(name: str) -> Dict[str, set]:
        choice = SCHEMA["$defs"][name]["else"]
        options = {one["if"]["properties"]["type"]["const"]: one["then"]["properties"] for one in choice["allOf"]}
        assert list(options) == choice["properties"]["type"]["enum"]
        return {kind: set(properties) - {"type"} for kind, properties in options.items()}

    def known(allowed: Dict[str, Any]) -> Dict[str, set]:
        return {kind: set(options) for kind, options in allowed.items()}

    assert listed("layer") == known(network.LAYERS)
    assert listed("optimizer") == known(learn.OPTIMIZERS)
    assert listed("loss") == known({kind: options for task in learn.LOSSES.values() for kind, options in task.items()})


@pytest.mark.parametrize("name", network.LAYERS)
def test_every_layer_finds_out_how_many_numbers_come_in(name):
    usual = {"out": 4, "bias": False, "p": 0.5, "affine": False, "elementwise_affine": True, "lower": 0.1, "upper": 0.2}
    usual.update(min_val=-2.0, max_val=2.0, eps=0.001, momentum=0.2)
    spec = {"type": name, **{option: usual.get(option, 0.5) for option in network.LAYERS[name]}}
    made = network.build([{"type": "Linear", "out": 5}, spec], 3, 2)(torch.randn(8, 3))
    assert made.shape == (8, 2)
    if name != "Linear":
        assert network.build([name], 3, 1)(torch.randn(8, 3)).shape == (8, 1)


@pytest.mark.parametrize("name", learn.OPTIMIZERS)
def test_every_optimizer_learns(name):
    usual = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "alpha": 0.9, "amsgrad": True, "weight_decay": 0.001}
    spec = {"type": name, **{option: usual[option] for option in learn.OPTIMIZERS[name]}}
    made = learn.train(table(slopes()), {**REGRESSION, "optimizer": spec}, 40, on.Ctx(seed=1))
    assert made.metrics["r2"] > 0.5


@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, all_of in learn.LOSSES.items() for loss in all_of])
def test_every_loss_learns_its_task(task, loss):
    rows = [{**row, "y": "high" if row["y"] > 15 else "low"} if task == "classification" else row for row in slopes()]
    made = learn.train(table(rows), {**REGRESSION, "loss": loss}, 60, on.Ctx(seed=1))
    assert made.metrics["accuracy" if task == "classification" else "r2"] > 0.9
    answer = network.load(made.path).answers([{"x": 5.0, "kind": "b", "big": True}])[0]
    if task == "classification":
        assert next(iter(answer)) == "high"
        assert sum(answer.values()) == pytest.approx(1)
    else:
        assert answer == pytest.approx(45, abs=4)


@pytest.mark.parametrize("layer", [{"type": "Conv2d"}, "eval", {"type": "Linear", "out": 2, "device": "cuda"}, {}])
def test_nothing_that_is_not_listed_is_built(layer):
    with pytest.raises(ValueError, match="is not"):
        network.build([layer], 3, 1)


def test_kinds_of_columns_are_found_out():
    rows = [
        {
            "n": str(n),
            "half": n / 2,
            "text": "ab"[n % 2],
            "sure": n % 3 == 0,
            "gap": "NA" if n else "7",
            "none": "",
            "y": n,
        }
        for n in range(12)
    ]
    found = {one.name: one for one in columns.found(table(rows), {"target": "y"})}
    kinds = {name: (one.kind, one.optional, one.width) for name, one in found.items()}
    assert kinds == {
        "n": ("number", False, 1),
        "half": ("number", False, 1),
        "text": ("category", False, 2),
        "sure": ("truth", False, 1),
        "gap": ("number", True, 2),
    }
    wished = columns.found(table(rows), {"target": "y", "columns": {"n": "category", "text": "ignore"}})
    assert [(one.name, one.kind) for one in wished][:2] == [("n", "category"), ("half", "number")]


def test_rows_may_name_different_columns():
    made = table([{"a": 1}, {"b": 2}, {"a": 3, "b": 4}])
    assert made.columns == {"a": [1, None, 3], "b": [None, 2, 4]}


def test_a_column_is_standardized_by_the_rows_it_learns_from():
    column = columns.Column("x", "number", True)
    columns.standardize(column, [1.0, 3.0, None])
    assert column.encode([1.0, 3.0, None, 5.0]) == [[-1, 1, 0, 3], [0, 0, 1, 0]]
    same = columns.Column("x", "number", False)
    columns.standardize(same, [4.0, 4.0])
    assert same.encode([4.0, 5.0]) == [[0, 1]]


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (["b", "a"], None, ("a", "b")),
        ([2, 10], None, ("2", "10")),
        (["1", "1.0", "0"], None, ("0", "1")),
        ([True, False], None, ("false", "true")),
        ([0.5, 1.5], None, ()),
        ([0.5, 1.5], "classification", ("0.5", "1.5")),
        ([2, 10], "regression", ()),
        (list(range(11)), None, ()),
    ],
)
def test_the_task_is_told_by_the_target(target, task, classes):
    rows = table([{"y": cell, "x": 1} for cell in [*target, None]])
    found = columns.target_of(rows, {"target": "y", **({"task": task} if task else {})})
    assert (found.classes, rows.rows) == (classes, len(target))


def test_what_a_table_lacks_is_named():
    rows = [{"x": n, "y": "ab"[n % 2], "name": f"who {n}"} for n in range(300)]
    config = {"target": "y", "layers": []}
    for changed, wished, says in (
        (rows, {"target": "z"}, "no column `z` (`target` of the config); its columns are `x`, `y`, `name`"),
        (rows, {"columns": {"zz": "ignore"}}, "no column `zz` (`columns` of the config)"),
        (rows, {}, "column `name` is text with 300 different values"),
        (rows, {"columns": {"name": "number"}}, "column `name`, row 1: `who 0` is not a number"),
        (rows, {"columns": {"name": "ignore", "x": "ignore"}}, "no column to learn from"),
        (rows, {"task": "regression"}, "column `y`, row 1: `a` is not a number"),
        (
            rows,
            {"loss": "MSELoss"},
            "`MSELoss` is not a loss for classification of this template; there are CrossEntropy",
        ),
        (rows[:6], {}, "6 rows with a target; a training needs at least 10"),
        ([{"x": n, "y": "a"} for n in range(20)], {}, "`y` has 1 different values"),
        ([{"x": [n], "y": "ab"[n % 2]} for n in range(20)], {}, "column `x`, row 1 holds a list"),
        ([{"x": n, "y": "abc"[n % 3]} for n in range(20)], {"loss": "BCEWithLogitsLoss"}, "is for two classes"),
        ([{"trained_network": n, "y": "ab"[n % 2]} for n in range(20)], {}, "cannot be called `trained_network`"),
    ):
        with pytest.raises(on.UserError) as raised:
            learn.train(table(changed), {**config, **wished}, 1, on.Ctx(seed=1))
        assert says in str(raised.value)


def test_a_file_that_is_no_table_is_told():
    Path("x.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(on.UserError, match="not UTF-8"):
        columns.read(on.Dataset("x.csv"))
    Path("y.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(on.UserError, match="row 1 of the dataset has more cells"):
        columns.read(on.Dataset("y.csv"))
    Path("z.bin").write_bytes(b"123")
    with pytest.raises(on.UserError, match="cannot be read as a table"):
        columns.read(on.Dataset("z.bin"))


class Cut(Exception):
    """Stands for the end of a process."""


class Watched(on.Ctx):
    """Keeps what a training tells, and may be cut off."""

    def __init__(self, seed: int, cut_at: int = 0, **more: Any) -> None:
        super().__init__(seed=seed, **more)
        self.steps: List[int] = []
        self._cut_at = cut_at

    def metric(self, *, step=None, **values):
        self.steps.append(step)
        if step == self._cut_at:
            raise Cut

    def checkpoint(self, path):
        shutil.copy(path, "kept.pt")


CANCER = {
    "target": "diagnosis",
    "layers": [{"type": "Linear", "out": 16}, "BatchNorm1d", "ReLU", {"type": "Dropout", "p": 0.3}],
    "checkpoint_every": 3,
    "patience": 0,
}


def cancer() -> columns.Table:
    return columns.read(on.Dataset(EXAMPLE / "train.csv"))


@pytest.mark.parametrize("name", learn.OPTIMIZERS)
def test_a_training_that_was_cut_ends_as_if_it_had_not_been(name):
    momentum = {"momentum": 0.9} if "momentum" in learn.OPTIMIZERS[name] else {}
    config = {**CANCER, "optimizer": {"type": name, "lr": 0.003, **momentum}}
    whole = learn.train(cancer(), config, 12, on.Ctx(seed=5))
    expected = network.load(whole.path)._network.state_dict()
    shutil.rmtree(whole.path)
    with pytest.raises(Cut):
        learn.train(cancer(), config, 12, Watched(5, cut_at=8))
    rest = Watched(5, resume="kept.pt")
    again = learn.train(cancer(), config, 12, rest)
    assert rest.steps[0] == 7, "it goes on after the last checkpoint"
    assert again.metrics == whole.metrics
    for key, value in network.load(again.path)._network.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_it_ends_when_nothing_gets_better_and_keeps_the_best():
    ctx = Watched(3)
    made = learn.train(cancer(), {**CANCER, "patience": 4}, 500, ctx)
    assert len(ctx.steps) < 500
    assert len(ctx.steps) - made.metrics["epochs"] == 4


def test_small_steps_have_one_thread_and_large_ones_all():
    for rows, threads in ((32, 1), (1_000_000, 2)):
        torch.set_num_threads(2)
        network.fit_threads(network.build([{"type": "Linear", "out": 32}], 30, 2), rows)
        assert torch.get_num_threads() == threads


def test_each_class_is_held_back_in_its_share():
    rows = table([{"x": n, "y": "rare" if n % 10 == 0 else "usual"} for n in range(100)])
    plan = network.Plan([], columns.target_of(rows, {"target": "y"}), [])
    seen, held_back = learn.split(rows, plan, 0.2, 1)
    assert sorted(seen + held_back) == list(range(100))
    assert sum(row % 10 == 0 for row in held_back) == 2
    assert learn.split(rows, plan, 0.2, 1) == (seen, held_back) != learn.split(rows, plan, 0.2, 2)


def test_a_loss_that_runs_away_is_told():
    wild = {**REGRESSION, "optimizer": {"type": "SGD", "lr": 1e12}}
    with pytest.raises(on.UserError, match="a lower `lr`"):
        learn.train(table(slopes()), wild, 50, on.Ctx(seed=1))


@pytest.mark.parametrize("package", ["safetensors", "none"])
def test_weights_are_numbers_whatever_keeps_them(package, monkeypatch):
    if package == "none":
        monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    else:
        pytest.importorskip("safetensors")
    made = learn.train(cancer(), CANCER, 2, on.Ctx(seed=1))
    kept = {path.name for path in made.path.iterdir()}
    assert kept == {network.PLAN, network.SAFE if package == "safetensors" else network.PLAIN}
    rows = heldout()[:3]
    answers = network.load(made.path).answers(rows)
    for row, answer in zip(rows, answers):
        assert network.load(made.path).answers([row])[0] == pytest.approx(answer)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("was-here"),))


def test_a_pickle_in_the_place_of_weights_is_not_run():
    made = learn.train(cancer(), CANCER, 1, on.Ctx(seed=1))
    (made.path / network.SAFE).unlink(missing_ok=True)
    torch.save({"0.weight": Evil()}, made.path / network.PLAIN)
    with pytest.raises(pickle.UnpicklingError):
        network.load(made.path)
    assert not Path("was-here").exists()


def heldout() -> List[Dict[str, Any]]:
    with (EXAMPLE / "heldout.csv").open(newline="") as file:
        return [
            {name: float(cell) for name, cell in row.items() if name != "diagnosis"} for row in csv.DictReader(file)
        ]


def load_model(config: Dict[str, Any], name: str) -> Any:
    """The template as a model's folder, imported."""
    folder = Path(name)
    shutil.copytree(FOLDER, folder)
    (folder / "template.json").write_text(json.dumps({"template": "tabular-torch", "config": config}))
    spec = importlib.util.spec_from_file_location(name, folder / "model.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_without_weights_it_says_that_it_must_be_trained(monkeypatch):
    monkeypatch.delenv("ONSTAGE_WEIGHTS", raising=False)
    model = load_model({**CANCER, "epochs": 7}, "untrained")
    schema = checked(model.predict, model.fit).schema()
    assert schema["components"]["schemas"]["Input"]["additionalProperties"] is True
    assert schema["training"]["components"]["schemas"]["Input"]["properties"]["epochs"]["default"] == 7
    with pytest.raises(on.UserError, match="must be trained first"):
        model.predict(anything=1)
    with pytest.raises(on.UserError, match="must be trained first"):
        model._([{"anything": 1}])


def test_with_weights_each_column_is_an_input(monkeypatch):
    rows = [{**row, "x y": row["x"]} for row in slopes()]
    made = learn.train(table(rows), {**REGRESSION, "columns": {"x": "ignore"}}, 30, on.Ctx(seed=1))
    monkeypatch.setenv("ONSTAGE_WEIGHTS", str(made.path.resolve()))
    model = load_model(REGRESSION, "trained")
    schema = checked(model.predict, model.fit).schema()["components"]["schemas"]
    properties = schema["Input"]["properties"]
    assert list(properties) == ["kind", "big", "x y"]
    assert properties["kind"]["enum"] == ["a", "b", "c"]
    assert schema["Input"]["required"] == ["kind", "big"], "cells of `x y` were missing in training, so they may be"
    assert schema["Output"]["type"] == "number"
    trained = network.load(made.path)
    one = {"kind": "a", "big": False, "x y": 2.0}
    assert model.predict(**one, trained_network=trained) == pytest.approx(6, abs=4)
    assert model._([one, {"kind": "a", "big": False}], trained_network=trained)[0] == pytest.approx(
        model.predict(**one, trained_network=trained)
    )


def test_the_example_is_right_about_rows_it_has_never_seen():
    config = json.loads((EXAMPLE / "config.json").read_text())
    made = learn.train(cancer(), config, 200, on.Ctx(seed=7))
    with (EXAMPLE / "heldout.csv").open(newline="") as file:
        truth = [row["diagnosis"] for row in csv.DictReader(file)]
    answers = network.load(made.path).answers(heldout())
    right = sum(next(iter(answer)) == true for answer, true in zip(answers, truth))
    assert right / len(truth) >= 0.95
