"""Answers and inputs of other libraries: numpy, pandas, polars, PIL, matplotlib, Altair, pydantic.

A library that the running Python does not have is skipped; none may be imported by Onstage itself.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest


def output(start, hint, body, imports, given=None, attachments=()):
    for name in imports.split(","):
        pytest.importorskip(name.strip().split(" ")[0])
    host = start(f"""
        import onstage as on
        import datetime
        import {imports}
        from typing import *

        @on.predict
        def f(x: {given or "int"} = None) {hint}:
            {body}
    """)
    result = host.predict({"x": {"$attachment": 0, "name": "in.png"}} if attachments else {}, attachments=attachments)[
        0
    ]
    assert "error" not in result, result["error"]
    return result["output"], result["attachments"]


NUMPY = {
    "scalar": ("", "numpy.float32(0.5)", 0.5),
    "int": ("-> int", "numpy.int64(3)", 3),
    "bool": ("-> bool", "numpy.bool_(True)", True),
    "array": ("", "numpy.arange(4).reshape(2, 2)", [[0, 1], [2, 3]]),
    "list": ("-> List[float]", "numpy.array([0.5, 1])", [0.5, 1.0]),
    "scores": ("-> on.Scores", "{'a': numpy.float32(0.25)}", {"a": 0.25}),
    "keys": ("", "{numpy.int64(1): numpy.str_('x')}", {"1": "x"}),
    "declared": ("-> numpy.ndarray", "numpy.zeros((1, 2))", [[0.0, 0.0]]),
    "time": ("", "numpy.datetime64('2026-01-02T03:04', 'ns')", "2026-01-02T03:04:00"),
    "times": ("", "numpy.array(['2026-01-02', 'NaT'], 'M8[ns]')", ["2026-01-02T00:00:00", None]),
    "day": ("-> datetime.date", "numpy.datetime64('2026-01-02', 'ns')", "2026-01-02"),
    "optional not a time": ("-> Optional[datetime.date]", "numpy.datetime64('NaT')", None),
    "optional nan": ("-> List[Optional[float]]", "numpy.array([1.0, numpy.nan])", [1.0, None]),
}


@pytest.mark.parametrize("case", NUMPY)
def test_numpy(start, case):
    hint, value, expected = NUMPY[case]
    assert output(start, hint, f"return {value}", "numpy")[0] == expected


def test_frames_become_tables(start):
    body = "return pandas.DataFrame({'a': [1, 2], 'b': ['x', None]})"
    for hint in ("", "-> on.Table", "-> pandas.DataFrame"):
        made, attachments = output(start, hint, body, "pandas")
        assert made == {"$attachment": 0, "name": "table.csv", "media_type": "text/csv"}
        assert attachments == [b"a,b\n1,x\n2,\n"]
    rows = output(start, "-> List[Dict[str, int]]", "return pandas.DataFrame({'a': [1, 2]})", "pandas")[0]
    assert rows == [{"a": 1}, {"a": 2}]
    assert output(start, "", "return pandas.Series([1, 2])", "pandas")[0] == [1, 2]
    _, attachments = output(start, "", "return polars.DataFrame({'a': [1]})", "polars")
    assert attachments == [b"a\n1\n"]


def test_an_array_that_is_no_picture_says_why(start):
    pytest.importorskip("numpy")
    host = start("""
        import numpy
        import onstage as on

        @on.predict
        def f(x: int) -> on.Image:
            return numpy.full((2, 2), 255.0) if x else numpy.zeros((2, 2, 2))
    """)
    error = host.error(x=0)
    assert (error["kind"], "an array of shape (2, 2, 2) is not a picture" in error["message"]) == ("bad_output", True)
    assert "go from 0 to 1, these reach 255; divide" in host.error(x=1)["message"]


def test_nothing_of_pandas_is_nothing(start):
    body = "return [pandas.NaT, pandas.NA, pandas.Timestamp('2026-01-02')]"
    assert output(start, "", body, "pandas")[0] == [None, None, "2026-01-02T00:00:00"]
    assert output(start, "-> Optional[datetime.date]", "return pandas.NaT", "pandas")[0] is None


def test_pictures_become_png(start):
    pillow = pytest.importorskip("PIL.Image")
    for imports, hint, value in (
        ("PIL.Image", "", "PIL.Image.new('RGB', (3, 2), 'red')"),
        ("PIL.Image", "-> on.Image", "PIL.Image.new('CMYK', (3, 2))"),
        ("numpy", "-> on.Image", "numpy.zeros((2, 3), 'uint8')"),
        ("numpy", "-> on.Image", "numpy.ones((2, 3, 3))"),
        ("numpy", "-> on.Image", "numpy.ones((2, 3, 4), bool)"),
        ("numpy", "", "on.Image(numpy.zeros((2, 3), 'uint8'))"),
    ):
        made, attachments = output(start, hint, f"return {value}", imports)
        assert made["media_type"] == "image/png"
        assert pillow.open(io.BytesIO(attachments[0])).size == (3, 2)


def test_a_picture_comes_in_as_what_is_asked_for(start):
    pillow = pytest.importorskip("PIL.Image")
    held = io.BytesIO()
    pillow.new("L", (5, 4)).save(held, "PNG")
    for hint, body in (
        ("on.Image", "return list(x.numpy().shape[:2])"),
        ("on.Image", "return [x.pil().height, x.pil().width]"),
        ("PIL.Image.Image", "return [x.height, x.width]"),
    ):
        pytest.importorskip("numpy")
        assert output(start, "", body, "PIL.Image", hint, [held.getvalue()])[0] == [4, 5]


def test_figures_and_charts(start):
    body = "figure, axes = plt.subplots(); axes.plot([1, 2]); return figure"
    made, attachments = output(start, "", body, "matplotlib.pyplot as plt")
    assert attachments[0].startswith(b"\x89PNG")
    made, _ = output(start, "-> on.Plot", body, "matplotlib.pyplot as plt")
    assert made["mark"]["type"] == "image"
    made, _ = output(
        start, "-> on.Plot", "return altair.Chart({'values': [{'a': 1}]}).mark_bar().encode(x='a:Q')", "altair"
    )
    assert made["mark"] == {"type": "bar"}


def test_pydantic_models(start):
    pytest.importorskip("pydantic")
    host = start(
        """
        import onstage as on
        import pydantic

        class Inner(pydantic.BaseModel):
            a: int

        class Fish(pydantic.BaseModel):
            name: str
            inner: Inner

        @on.predict
        def f(fish: Fish) -> Fish:
            return Fish(name=fish.name.upper(), inner=fish.inner)
    """,
        ready=False,
    )
    schemas = host.describe()["schema"]["components"]["schemas"]
    assert schemas["Fish"]["properties"]["inner"] == {"$ref": "#/components/schemas/Inner"}
    assert host.setup()["t"] == "ready"
    assert host.one(fish={"name": "cod", "inner": {"a": 1}}) == {"name": "COD", "inner": {"a": 1}}
    assert host.error(fish={"name": "cod"})["kind"] == "bad_input"


def test_onstage_imports_nothing_but_the_standard_library():
    folder = Path(__file__).resolve().parent.parent
    code = (
        "import sys, onstage, onstage.contract, onstage.static, onstage.worker.start, onstage.client\n"
        "names = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'numpy', 'pandas', 'polars', 'PIL', 'matplotlib', 'altair', 'pydantic', 'torch'}))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
