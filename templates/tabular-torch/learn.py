"""The training: rows split by a seed, epochs until nothing gets better, checkpoints to go on from, the best weights.

Every epoch draws from a seed of its own, so that a training that was broken off ends as if it had not been.
"""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import columns
import torch
from columns import Table, wrong
from network import Plan, build, fit_threads, parts, save
from torch import nn

import onstage as on

ROWS_MIN = 10
CHECKPOINT_SECONDS = 30.0
LOSSES_KEPT = ("loss", "trained")
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "learnt"

ONE_SCORE = "BCEWithLogitsLoss"
LOSSES: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "classification": {
        "CrossEntropyLoss": ("label_smoothing",),
        "MultiMarginLoss": ("p", "margin"),
        ONE_SCORE: (),
    },
    "regression": {
        "MSELoss": (),
        "L1Loss": (),
        "SmoothL1Loss": ("beta",),
        "HuberLoss": ("delta",),
    },
}
LOSS_USUAL = {"classification": "CrossEntropyLoss", "regression": "MSELoss"}
OPTIMIZERS: Dict[str, Tuple[str, ...]] = {
    "Adam": ("lr", "weight_decay", "amsgrad"),
    "AdamW": ("lr", "weight_decay", "amsgrad"),
    "NAdam": ("lr", "weight_decay"),
    "RAdam": ("lr", "weight_decay"),
    "Adagrad": ("lr", "weight_decay"),
    "RMSprop": ("lr", "weight_decay", "momentum", "alpha"),
    "SGD": ("lr", "weight_decay", "momentum", "nesterov"),
}
RATE_USUAL = 0.001

Config = Mapping[str, Any]
State = Dict[str, torch.Tensor]


def train(table: Table, config: Config, epochs: int, ctx: on.Ctx) -> on.Weights:
    """Weights, with what was measured on the rows held back. Raises UserError for a table that does not fit."""
    given = table.rows
    target = columns.target_of(table, config)
    if table.rows < ROWS_MIN:
        raise wrong(f"the dataset has {table.rows} rows with a target; a training needs at least {ROWS_MIN}")
    if table.rows < given:
        ctx.log(f"{given - table.rows} rows have nothing in `{target.name}` and are left out", "warning")
    loss, options = loss_of(config, "classification" if target.classes else "regression")
    if loss == ONE_SCORE and len(target.classes) != 2:
        raise wrong(f"`{ONE_SCORE}` is for two classes, and `{target.name}` has {len(target.classes)}")
    plan = Plan(columns.found(table, config), target, list(config["layers"]), loss == ONE_SCORE)
    seen, held_back = split(table, plan, config.get("validation", 0.2), ctx.seed)
    fit_scales(table, plan, seen, config)
    told = f"{len(target.classes)} classes" if target.classes else "a number"
    ctx.log(f"{len(seen)} rows to learn from, {len(held_back)} to measure; {len(plan.columns)} columns, {told}")
    return Training(table, plan, config, ctx).run((loss, options), seen, held_back, epochs)


def loss_of(config: Config, task: str) -> Tuple[str, Dict[str, Any]]:
    try:
        return parts(config.get("loss", LOSS_USUAL[task]), LOSSES[task], f"a loss for {task}")
    except ValueError as error:
        raise wrong(f"{error}; there are {', '.join(LOSSES[task])}") from None


def split(table: Table, plan: Plan, share: float, seed: int) -> Tuple[List[int], List[int]]:
    """Rows to learn from and rows to measure with; of each class the same share."""
    groups: Dict[Any, List[int]] = {}
    for row, cell in enumerate(table.columns[plan.target.name]):
        groups.setdefault(columns.as_text(cell) if plan.target.classes else None, []).append(row)
    draw = random.Random(seed)
    seen: List[int] = []
    held_back: List[int] = []
    for _, rows in sorted(groups.items(), key=lambda one: str(one[0])):
        draw.shuffle(rows)
        # The only row of a class is one to learn from.
        count = min(max(1, round(len(rows) * share)), len(rows) - 1)
        held_back += rows[:count]
        seen += rows[count:]
    if not held_back:
        raise wrong(f"every class of `{plan.target.name}` has one row only; there is nothing to measure with")
    return sorted(seen), sorted(held_back)


def fit_scales(table: Table, plan: Plan, seen: List[int], config: Config) -> None:
    for column in plan.columns:
        cells = table.columns[column.name]
        columns.standardize(column, [cells[row] for row in seen])
        if not config.get("standardize", True):
            column.mean, column.scale = 0.0, 1.0
    if not plan.target.classes:
        cells = table.columns[plan.target.name]
        plan.target.mean, plan.target.scale = columns.mean_and_scale([cells[row] for row in seen])


def device_of(config: Config) -> torch.device:
    wish = config.get("device", "auto")
    if wish == "cuda" and not torch.cuda.is_available():
        raise on.UserError("the config asks for `cuda`, and this machine has no GPU that PyTorch can use")
    return torch.device("cuda" if wish != "cpu" and torch.cuda.is_available() else "cpu")


class Training:
    def __init__(self, table: Table, plan: Plan, config: Config, ctx: on.Ctx) -> None:
        self._table = table
        self._plan = plan
        self._config = config
        self._ctx = ctx
        self._device = device_of(config)
        torch.manual_seed(ctx.seed)
        self._network = build(plan.layers, plan.inputs, plan.outputs).to(self._device)
        fit_threads(self._network, config.get("batch_size", 32))
        name, options = parts(config.get("optimizer", "Adam"), OPTIMIZERS, "an optimizer")
        options.setdefault("lr", RATE_USUAL)
        self._optimizer = getattr(torch.optim, name)(self._network.parameters(), **options)
        self._epoch = 0
        self._best: Optional[Dict[str, Any]] = None
        """The epoch that did best on the rows held back: its number, its loss there and on the way, and its weights."""

    def run(self, loss: Tuple[str, Dict[str, Any]], seen: List[int], held_back: List[int], epochs: int) -> on.Weights:
        ctx, config = self._ctx, self._config
        self._loss = getattr(nn, loss[0])(**loss[1])
        learn, measure = self._tensors(seen), self._tensors(held_back)
        if ctx.resume:
            self._restore(ctx.resume)
        every, kept_at = config.get("checkpoint_every", 10), time.monotonic()
        while self._epoch < epochs and not self._is_over() and not ctx.cancelled:
            trained = self._one_epoch(*learn)
            measured = self._measure(*measure)
            self._refuse_runaway(trained, measured["validation_loss"])
            self._epoch += 1
            self._note(measured["validation_loss"], trained)
            ctx.metric(step=self._epoch, loss=trained, **measured)
            ctx.progress(self._epoch, epochs, f"epoch {self._epoch}")
            if self._epoch % every == 0 or time.monotonic() - kept_at > CHECKPOINT_SECONDS:
                self._keep()
                kept_at = time.monotonic()
        return self._finish(measure, len(seen) + len(held_back))

    def _tensors(self, rows: List[int]) -> Tuple[torch.Tensor, torch.Tensor]:
        cells = self._table.columns
        x = self._plan.encode({one.name: [cells[one.name][row] for row in rows] for one in self._plan.columns})
        target = self._plan.target
        y = torch.tensor(target.encode([cells[target.name][row] for row in rows]))
        whole = bool(target.classes) and not self._plan.one_score
        y = y.long() if whole else y.float().unsqueeze(1)
        return x.to(self._device), y.to(self._device)

    def _one_epoch(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """The mean loss on the way."""
        torch.manual_seed(self._ctx.seed + self._epoch + 1)
        self._network.train()
        order = torch.randperm(len(x)).to(self._device)
        total, rows = 0.0, 0
        for batch in order.split(self._config.get("batch_size", 32)):
            # A single row has no deviation, which `BatchNorm1d` needs.
            if len(batch) == 1 and len(order) > 1:
                continue
            self._optimizer.zero_grad()
            loss = self._loss(self._network(x[batch]), y[batch])
            loss.backward()
            self._optimizer.step()
            total, rows = total + loss.item() * len(batch), rows + len(batch)
        return total / max(rows, 1)

    def _refuse_runaway(self, *losses: float) -> None:
        if not all(map(math.isfinite, losses)):
            raise on.UserError(
                f"the loss is no number any more after epoch {self._epoch + 1}; a lower `lr` of the optimizer helps"
            )

    def _measure(self, x: torch.Tensor, y: torch.Tensor) -> Dict[str, float]:
        self._network.eval()
        with torch.no_grad():
            made = self._network(x)
            measured = {"validation_loss": self._loss(made, y).item()}
        plan = self._plan
        if plan.target.classes:
            right = plan.probabilities(made).argmax(dim=1) == y.reshape(-1).long()
            return {**measured, "accuracy": right.float().mean().item()}
        off = (made - y).double()
        spread = ((y.double() - y.double().mean()) ** 2).mean().item()
        return {
            **measured,
            "mae": off.abs().mean().item() * plan.target.scale,
            "rmse": (off**2).mean().sqrt().item() * plan.target.scale,
            "r2": 1 - (off**2).mean().item() / spread if spread else 0.0,
        }

    def _note(self, loss: float, trained: float) -> None:
        if self._best is None or loss < self._best["loss"]:
            weights = {name: value.detach().clone() for name, value in self._network.state_dict().items()}
            self._best = {"epoch": self._epoch, "loss": loss, "trained": trained, "weights": weights}

    def _is_over(self) -> bool:
        """Whether nothing has become better for long enough."""
        patience = self._config.get("patience", 20)
        return bool(patience and self._best and self._epoch - self._best["epoch"] >= patience)

    def _keep(self) -> None:
        best = self._best or {}
        # Read back as tensors and whole numbers only; older PyTorch takes no other number for harmless.
        state = {
            "epoch": self._epoch,
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict()["state"],
            "best": {**best, **{name: torch.tensor(best[name], dtype=torch.float64) for name in LOSSES_KEPT}}
            if best
            else None,
        }
        torch.save(state, CHECKPOINT)
        self._ctx.checkpoint(CHECKPOINT)

    def _restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self._device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state["optimizer"]})
        self._epoch, best = state["epoch"], state["best"]
        self._best = {**best, **{name: best[name].item() for name in LOSSES_KEPT}} if best else None
        self._ctx.log(f"goes on after epoch {self._epoch}")

    def _finish(self, measure: Tuple[torch.Tensor, torch.Tensor], rows: int) -> on.Weights:
        if self._best is None:
            raise on.UserError("the training was stopped before its first epoch had ended")
        self._network.load_state_dict(self._best["weights"])
        measured = self._measure(*measure)
        save(Path(WEIGHTS), self._plan, self._network.state_dict())
        of_best = {"loss": self._best["trained"], "epochs": self._best["epoch"], "rows": rows}
        return on.Weights(WEIGHTS, metrics={**measured, **of_best})
