"""Columns of a table: what kind each is, found out from its cells, and cells as numbers for a network.

It must not know PyTorch.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Annotated, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import onstage as on

MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"))
CATEGORIES_MAX = 200
CLASSES_MAX = 1_000
# A target of whole numbers with no more different ones than this is a class unless the config says otherwise.
WHOLE_CLASSES_MAX = 10
NAMES_SHOWN_MAX = 30
# The name of a set-up function in `model.py`, which no input may have.
TAKEN = ("trained_network",)

Cells = List[Any]


@dataclasses.dataclass
class Table:
    """Every cell of a table by column; None where nothing is."""

    columns: Dict[str, Cells]
    rows: int

    def column(self, name: str, where: str) -> Cells:
        if name not in self.columns:
            shown = ", ".join(f"`{one}`" for one in list(self.columns)[:NAMES_SHOWN_MAX])
            raise wrong(f"the dataset has no column `{name}` ({where} of the config); its columns are {shown}")
        return self.columns[name]


def wrong(message: str) -> on.UserError:
    return on.UserError(message, field="data")


def read(data: on.Dataset) -> Table:
    """The whole table, in memory. Raises UserError."""
    table = Table({}, 0)
    try:
        for row in data.rows():
            if None in row:
                raise wrong(f"row {table.rows + 1} of the dataset has more cells than its header names")
            for name, cell in row.items():
                cells = table.columns.get(name)
                if cells is None:
                    cells = table.columns[name] = [None] * table.rows
                cells.append(known(cell))
            table.rows += 1
            if len(row) < len(table.columns):
                for cells in table.columns.values():
                    cells.extend([None] * (table.rows - len(cells)))
    except UnicodeDecodeError as error:
        raise wrong(f"the dataset is not UTF-8: {error}") from None
    except (ImportError, ValueError, AttributeError) as error:
        raise wrong(f"the dataset cannot be read as a table: {error}") from None
    return table


def known(cell: Any) -> Any:
    """A cell, or None where nothing is in it."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if cell in MISSING else cell
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell


def as_number(cell: Any) -> Optional[float]:
    """The number that a cell is, or None."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, str) and "_" in cell:
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


@dataclasses.dataclass
class Column:
    """One column as training rows showed it, and its cells as one or more lists of numbers."""

    name: str
    kind: str
    """`number`, `truth` or `category`."""
    optional: bool
    """Whether cells may be missing; then one more list says which are."""
    mean: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0
    categories: Tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return (len(self.categories) if self.kind == "category" else 1) + self.optional

    def encode(self, cells: Sequence[Any]) -> List[List[float]]:
        """`width` lists with a number for each cell."""
        if self.kind == "category":
            texts = [None if cell is None else as_text(cell) for cell in cells]
            made = [[float(text == one) for text in texts] for one in self.categories]
        elif self.kind == "truth":
            made = [[0.0 if cell is None else float(is_true(cell)) for cell in cells]]
        else:
            made = [[0.0 if cell is None else (float(cell) - self.mean) / self.scale for cell in cells]]
        if self.optional:
            made.append([float(cell is None) for cell in cells])
        return made

    def input(self) -> Any:
        """The type of the column as an input of the model."""
        kind: Any = {"number": float, "truth": bool, "category": str}[self.kind]
        if self.optional:
            kind = Optional[kind]
        if self.kind == "category":
            return Annotated[kind, on.Input(choices=self.categories)]
        if self.kind == "number":
            return Annotated[kind, on.Input(f"{self.low:.4g} to {self.high:.4g} in training")]
        return kind


def is_true(cell: Any) -> bool:
    return as_text(cell).lower() == "true"


def inputs_of(all_columns: Iterable[Column]) -> Dict[str, Any]:
    return {column.name: column.input() for column in all_columns}


def found(table: Table, config: Mapping[str, Any]) -> List[Column]:
    """The columns to learn from. Raises UserError that names the column."""
    wishes = config.get("columns", {})
    for name in wishes:
        table.column(name, "`columns`")
    made = []
    for name, cells in table.columns.items():
        wish = wishes.get(name)
        if name == config["target"] or wish == "ignore" or all(cell is None for cell in cells):
            continue
        if not name or name in TAKEN:
            raise wrong(
                f"a column cannot be called `{name}`; rename it, or set it to `ignore` in `columns` of the config"
            )
        made.append(_column(name, cells, wish))
    if not made:
        raise wrong("the dataset has no column to learn from beside the target")
    return made


def _column(name: str, cells: Cells, wish: Optional[str]) -> Column:
    optional = any(cell is None for cell in cells)
    kind = wish or kind_of(name, cells)
    if kind == "number":
        for row, cell in enumerate(cells, 1):
            if cell is not None:
                cells[row - 1] = _number(name, cell, row)
        return Column(name, kind, optional)
    if kind == "truth":
        return Column(name, kind, optional)
    return Column(name, kind, optional, categories=_categories(name, cells))


def _number(name: str, cell: Any, row: int) -> float:
    number = as_number(cell)
    if number is None:
        raise wrong(f"column `{name}`, row {row}: `{as_text(cell)}` is not a number")
    return number


def _categories(name: str, cells: Cells) -> Tuple[str, ...]:
    categories = sorted({as_text(cell) for cell in cells if cell is not None})
    if len(categories) > CATEGORIES_MAX:
        row, cell = next(
            (row, cell) for row, cell in enumerate(cells, 1) if cell is not None and as_number(cell) is None
        )
        raise wrong(
            f"column `{name}` is text with {len(categories)} different values, more than {CATEGORIES_MAX} "
            f"(`{as_text(cell)}` in row {row} is not a number); "
            "leave it out with `ignore` in `columns` of the config, or mend the cells"
        )
    return tuple(categories)


def kind_of(name: str, cells: Cells) -> str:
    """What kind of column its cells make."""
    numbers = truths = True
    for row, cell in enumerate(cells, 1):
        if cell is None:
            continue
        if isinstance(cell, (list, dict, bytes)):
            raise wrong(
                f"column `{name}`, row {row} holds a {type(cell).__name__}; numbers, texts and truths can be learnt"
            )
        numbers = numbers and as_number(cell) is not None
        truths = truths and as_text(cell).lower() in ("true", "false")
        if not numbers and not truths:
            return "category"
    return "number" if numbers else "truth"


def standardize(column: Column, cells: Sequence[Any]) -> None:
    """Set what makes a number column's cells have mean 0 and deviation 1, and where they lie."""
    if column.kind != "number":
        return
    numbers = [cell for cell in cells if cell is not None]
    if numbers:
        column.mean, column.scale = mean_and_scale(numbers)
        column.low, column.high = min(numbers), max(numbers)


def mean_and_scale(numbers: Sequence[float]) -> Tuple[float, float]:
    mean = statistics.fmean(numbers)
    deviation = math.sqrt(statistics.fmean((number - mean) ** 2 for number in numbers))
    # A column that is always the same tells nothing, whatever its unit.
    return mean, deviation if deviation > 1e-12 * max(1.0, abs(mean)) else 1.0


@dataclasses.dataclass
class Target:
    """The column to predict."""

    name: str
    classes: Tuple[str, ...] = ()
    """Empty for a number."""
    mean: float = 0.0
    scale: float = 1.0

    def encode(self, cells: Sequence[Any]) -> List[float]:
        if self.classes:
            places = {one: place for place, one in enumerate(self.classes)}
            return [places[as_text(cell)] for cell in cells]
        return [(cell - self.mean) / self.scale for cell in cells]


def target_of(table: Table, config: Mapping[str, Any]) -> Target:
    """The target, and rows without one taken out of the table. Raises UserError."""
    name = config["target"]
    cells = table.column(name, "`target`")
    _keep(table, [row for row, cell in enumerate(cells) if cell is not None])
    cells = table.columns[name]
    numeric = bool(cells) and kind_of(name, cells) == "number"
    task = config.get("task") or _task(cells, numeric)
    if task == "regression":
        table.columns[name] = [_number(name, cell, row) for row, cell in enumerate(cells, 1)]
        return Target(name)
    if numeric:
        # `1` and `1.0` are the same class.
        cells = table.columns[name] = [as_text(as_number(cell)) for cell in cells]
    classes = sorted(
        {as_text(cell) for cell in cells}, key=lambda text: (as_number(text) or 0.0, text) if numeric else (0.0, text)
    )
    if not 2 <= len(classes) <= CLASSES_MAX:
        raise wrong(
            f"the target `{name}` has {len(classes)} different values; a classification has 2 to {CLASSES_MAX} classes"
            + ("; set `task` of the config to `regression` to predict a number" if numeric else "")
        )
    return Target(name, tuple(classes))


def _task(cells: Cells, numeric: bool) -> str:
    if not numeric:
        return "classification"
    different = {as_number(cell) for cell in cells}
    whole = all(number is not None and number.is_integer() for number in different)
    return "classification" if whole and len(different) <= WHOLE_CLASSES_MAX else "regression"


def _keep(table: Table, rows: List[int]) -> None:
    if len(rows) < table.rows:
        table.columns = {name: [cells[row] for row in rows] for name, cells in table.columns.items()}
        table.rows = len(rows)
