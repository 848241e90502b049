"""The network: made of the layers that a config lists, kept as a state dict with its plan beside it, and asked.

It must not know how it is trained. Weights are safetensors where that package is, else a state dict that
is read as numbers only; nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Union

import torch
from columns import Column, Target, known
from torch import nn

# Rows that are answered together at most.
MICROBATCH = 256
PLAN = "plan.json"
SAFE, PLAIN = "network.safetensors", "network.pt"

# What a config may list, with the options of each; `config.schema.json` says which values they take.
LAYERS: Dict[str, Tuple[str, ...]] = {
    "Linear": ("out", "bias"),
    "ReLU": (),
    "ReLU6": (),
    "LeakyReLU": ("negative_slope",),
    "PReLU": ("init",),
    "RReLU": ("lower", "upper"),
    "ELU": ("alpha",),
    "CELU": ("alpha",),
    "SELU": (),
    "GELU": (),
    "SiLU": (),
    "Mish": (),
    "Sigmoid": (),
    "LogSigmoid": (),
    "Hardsigmoid": (),
    "Tanh": (),
    "Hardtanh": ("min_val", "max_val"),
    "Tanhshrink": (),
    "Hardswish": (),
    "Hardshrink": ("lambd",),
    "Softshrink": ("lambd",),
    "Softplus": ("beta", "threshold"),
    "Softsign": (),
    "Identity": (),
    "Dropout": ("p",),
    "AlphaDropout": ("p",),
    "BatchNorm1d": ("eps", "momentum", "affine"),
    "LayerNorm": ("eps", "elementwise_affine"),
}
# These are told how many numbers come in.
SIZED = ("BatchNorm1d", "LayerNorm")

Spec = Union[str, Mapping[str, Any]]


def parts(spec: Spec, allowed: Mapping[str, Sequence[str]], what: str) -> Tuple[str, Dict[str, Any]]:
    """A name and its options, if both are allowed. Raises ValueError."""
    options = {"type": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("type", None)
    if name not in allowed:
        raise ValueError(f"`{name}` is not {what} of this template")
    for option in options:
        if option not in allowed[name]:
            raise ValueError(f"`{option}` is not an option of `{name}`")
    return name, options


def build(layers: Sequence[Spec], inputs: int, outputs: int) -> nn.Sequential:
    """The layers one after the other, and one more that gives as many numbers as are wanted. Raises ValueError."""
    made: List[nn.Module] = []
    width = inputs
    for spec in layers:
        name, options = parts(spec, LAYERS, "a layer")
        if name == "Linear":
            wanted = options.pop("out")
            made.append(nn.Linear(width, wanted, **options))
            width = wanted
        elif name in SIZED:
            made.append(getattr(nn, name)(width, **options))
        else:
            made.append(getattr(nn, name)(**options))
    made.append(nn.Linear(width, outputs))
    return nn.Sequential(*made)


# Multiplications of one step, below which threads wait for each other longer than they compute: on a busy machine the
# small steps that tables usually have were 60 times slower with two threads than with one.
THREADS_FROM = 50_000_000


def fit_threads(network: nn.Module, rows: int) -> None:
    """One thread where steps of so many rows are small, else as many as the process has been given."""
    if rows * sum(numbers.numel() for numbers in network.parameters()) < THREADS_FROM:
        torch.set_num_threads(1)


@dataclasses.dataclass
class Plan:
    """Everything about a trained network but its numbers."""

    columns: List[Column]
    target: Target
    layers: List[Spec]
    one_score: bool = False
    """Of two classes, only the second one has a number of its own."""

    @property
    def inputs(self) -> int:
        return sum(column.width for column in self.columns)

    @property
    def outputs(self) -> int:
        return 1 if self.one_score or not self.target.classes else len(self.target.classes)

    def encode(self, cells_of: Mapping[str, Sequence[Any]]) -> torch.Tensor:
        """A line of numbers for each row."""
        lines = [line for column in self.columns for line in column.encode(cells_of[column.name])]
        return torch.stack([torch.tensor(line, dtype=torch.float32) for line in lines], dim=1)

    def probabilities(self, made: torch.Tensor) -> torch.Tensor:
        """What the network gave, as a probability for each class."""
        if self.one_score:
            second = torch.sigmoid(made)
            return torch.cat([1 - second, second], dim=1)
        return torch.softmax(made, dim=1)


class Trained:
    """A network that answers, on the CPU."""

    def __init__(self, plan: Plan, network: nn.Module) -> None:
        self.plan = plan
        self._network = network.cpu().eval()
        fit_threads(network, MICROBATCH)

    def answers(self, rows: Sequence[Mapping[str, Any]]) -> List[Any]:
        """Scores by class, the best first, or a number, for each row."""
        plan = self.plan
        cells = {column.name: [known(row.get(column.name)) for row in rows] for column in plan.columns}
        with torch.no_grad():
            made = self._network(plan.encode(cells)).double()
        if not plan.target.classes:
            return [number * plan.target.scale + plan.target.mean for number in made[:, 0].tolist()]
        return [self._scores(line) for line in plan.probabilities(made).tolist()]

    def _scores(self, line: List[float]) -> Dict[str, float]:
        return dict(sorted(zip(self.plan.target.classes, line), key=lambda one: -one[1]))


def save(folder: Path, plan: Plan, state: Mapping[str, torch.Tensor]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / PLAN).write_text(json.dumps(dataclasses.asdict(plan)), encoding="utf-8")
    numbers = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    try:
        from safetensors.torch import save_file
    except ImportError:
        torch.save(numbers, folder / PLAIN)
        return
    save_file(numbers, folder / SAFE)


def read_plan(folder: Path) -> Plan:
    made = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    all_columns = [Column(**{**one, "categories": tuple(one["categories"])}) for one in made.pop("columns")]
    target = made.pop("target")
    return Plan(all_columns, Target(**{**target, "classes": tuple(target["classes"])}), **made)


def load(folder: Path) -> Trained:
    plan = read_plan(folder)
    network = build(plan.layers, plan.inputs, plan.outputs)
    if (folder / SAFE).is_file():
        from safetensors.torch import load_file

        state = load_file(folder / SAFE)
    else:
        state = torch.load(folder / PLAIN, map_location="cpu", weights_only=True)
    network.load_state_dict(state)
    return Trained(plan, network)
