"""`on.Tensor`: what comes in as bytes or lists, what goes out, with numpy and without.

The worker is a real process; where numpy must be missing, it is hidden from it.
"""

from __future__ import annotations

import math
import struct

import pytest

import onstage as on
from onstage.errors import DeclarationError
from onstage.tensors import FORMATS

ECHO = """
    import onstage as on
    {imports}

    @on.predict
    def f(x: {hint}) -> {answer}:
        {body}
"""
# What the model runs first, so that `import numpy` fails as where it is not installed.
NO_NUMPY = "import sys; sys.modules['numpy'] = None"


def model(start, hint="on.Tensor", body="return x", answer=None, imports=""):
    return start(ECHO.format(imports=imports, hint=hint, body=body, answer=answer or "on.Tensor"))


def ask(host, dtype, shape, data):
    given = {"x": {"$attachment": 0, "dtype": dtype, "shape": shape}}
    return host.predict(given, attachments=[data])[0]


@pytest.mark.parametrize("imports", ["", NO_NUMPY], ids=["numpy", "plain"])
@pytest.mark.parametrize("dtype", FORMATS)
def test_bytes_come_and_go_unchanged(start, dtype, imports):
    if not imports:
        pytest.importorskip("numpy")
    host = model(start, imports=imports)
    data = struct.pack(f"<6{FORMATS[dtype]}", 0, 1, 1, 0, 1, 0)
    result = ask(host, dtype, [2, 3], data)
    assert result["output"] == {"$attachment": 0, "dtype": dtype, "shape": [2, 3]}
    assert result["attachments"] == [data]
    empty = ask(host, dtype, [0, 3], b"")
    assert (empty["output"]["shape"], empty["attachments"]) == ([0, 3], [b""])
    alone = ask(host, dtype, [], data[: len(data) // 6])
    assert alone["output"]["shape"] == []


def test_the_function_gets_an_array_over_the_frame(start):
    pytest.importorskip("numpy")
    body = "return f'{x.flags.aligned} {x.dtype} {x.shape} {x.sum()}'"
    host = model(start, 'on.Tensor["float32", (-1, 2)]', body, "str")
    for pad in range(5):
        # Headers of other lengths put the bytes elsewhere in the frame.
        made = host.predict(
            {"x": {"$attachment": 0, "dtype": "float32", "shape": [1, 2], "name": "x" * pad}},
            attachments=[struct.pack("<2f", 1.5, math.inf)],
        )[0]
        assert made.get("output") == "True float32 (1, 2) inf", made


@pytest.mark.parametrize("count", [4, 100_000], ids=["small", "large"])
def test_the_array_is_the_functions_to_change(start, count):
    pytest.importorskip("numpy")
    host = model(start, 'on.Tensor["float32", (-1,)]', "x += 1\n        return float(x.sum())", "float")
    for _again in range(2):
        made = ask(host, "float32", [count], bytes(4 * count))
        assert made.get("output") == count, made


def test_numbers_that_are_not_finite_are_fine_as_bytes(start):
    data = struct.pack("<3f", math.nan, math.inf, -math.inf)
    assert ask(model(start, imports=NO_NUMPY), "float32", [3], data)["attachments"] == [data]


@pytest.mark.parametrize("imports", ["", NO_NUMPY], ids=["numpy", "plain"])
def test_lists_are_tensors_too(start, imports):
    if not imports:
        pytest.importorskip("numpy")
    host = model(start, 'on.Tensor["float32", (-1, 2)]', "return x.tolist()", "list", imports)
    for given in (
        [[1, 2], [3, 4.5]],
        {"data": [[1, 2], [3, 4.5]]},
        {"dtype": "float32", "shape": [2, 2], "data": [1, 2, 3, 4.5]},
    ):
        assert host.one(x=given) == [[1.0, 2.0], [3.0, 4.5]], given
    for given, why in (
        ([1, 2], "got float32 [2]"),
        ([[1, 2], [3]], "same length"),
        ([["a", "b"]], "expected numbers"),
        ([[True, False]], "`True` is not float32"),
        ({"dtype": "float64", "data": [[1, 2]]}, "got float64 [1, 2]"),
        ({"shape": [3, 2], "data": [1, 2]}, "do not fill the shape [3, 2]"),
    ):
        error = host.error(x=given)
        assert (error["kind"], error["field"]) == ("bad_input", "x"), given
        assert why in error["message"] and "a tensor float32 [-1, 2]" in error["message"], error
    whole = model(start, 'on.Tensor["uint8"]', "return x.tolist()", "list", imports)
    assert whole.one(x=[0, 255]) == [0, 255]
    for given in ([256], [-1], [1.5]):
        assert whole.error(x=given)["kind"] == "bad_input"


def test_what_does_not_fit_is_refused_with_both_in_words(start):
    host = model(start, 'on.Tensor["float32", (-1, 2)]', "return x", 'on.Tensor["float32", (-1, 2)]', NO_NUMPY)
    error = ask(host, "float32", [4], bytes(16))["error"]
    assert error["message"] == "`x`: expected a tensor float32 [-1, 2], got float32 [4]"
    assert "8 bytes are not float32 of the shape [2, 2]" in ask(host, "float32", [2, 2], bytes(8))["error"]["message"]
    assert ask(host, "complex64", [1, 2], bytes(16))["error"]["kind"] == "bad_input"


ANSWERS = {
    "array": ("numpy", "numpy.ones((2, 2), 'float32')", None),
    "transposed": ("numpy", "numpy.arange(4, dtype='float32').reshape(2, 2).T", None),
    "big-endian": ("numpy", "numpy.ones((1, 2), '>f4')", None),
    "lists": ("math", "[[1, 2], [3, 4]]", None),
    "wider": ("numpy", "numpy.ones((2, 2))", 'got float64 [2, 2]; turn it into the type with `.astype("float32")`'),
    "other shape": (
        "numpy",
        "numpy.ones(4, 'float32')",
        "expected a tensor float32 [-1, 2] as the answer, got float32 [4]",
    ),
    "no numbers": ("numpy", "numpy.array(['a'])", "got an array of str"),
    "no tensor": ("math", "'text'", "got `'text'` (str)"),
    "ragged": ("math", "[[1, 2], [3]]", "same length"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers(start, case):
    library, value, refused = ANSWERS[case]
    pytest.importorskip(library)
    host = model(start, "int", f"return {value}", 'on.Tensor["float32", (-1, 2)]', f"import {library}")
    result = host.predict({"x": 1})[0]
    if refused is None:
        assert result["output"]["dtype"] == "float32", result
        assert len(result["attachments"][0]) == math.prod(result["output"]["shape"]) * 4
    else:
        assert result["error"]["kind"] == "bad_output"
        assert refused in result["error"]["message"], result["error"]


def test_a_transposed_answer_is_sent_row_by_row(start):
    pytest.importorskip("numpy")
    host = model(start, "int", "return numpy.arange(4, dtype='int16').reshape(2, 2).T", imports="import numpy")
    assert host.predict({"x": 1})[0]["attachments"] == [struct.pack("<4h", 0, 2, 1, 3)]


def test_many_rows_are_one_tensor_each(start):
    pytest.importorskip("numpy")
    host = start("""
        import numpy
        import onstage as on

        @on.predict
        def f(x: on.Tensor["float32", (2,)]) -> on.Tensor["float32", (2,)]:
            return x

        @f.many(max=8)
        def many(rows):
            return numpy.stack(rows.column("x")) * 2
    """)
    data = [struct.pack("<2f", number, -number) for number in (1, 2, 3)]
    given = [{"x": {"$attachment": place, "dtype": "float32", "shape": [2]}} for place in range(3)]
    results = host.predict(*given, attachments=data)
    assert [one["attachments"] for one in results] == [[struct.pack("<2f", 2 * n, -2 * n)] for n in (1, 2, 3)]


def test_the_schema_says_what_it_takes(start):
    host = start(
        """
        from __future__ import annotations
        import numpy as np
        import onstage as on
        from typing import Optional

        @on.predict
        def f(
            a: on.Tensor["float32", (-1, 16)], b: Optional[on.Tensor], c: on.Tensor["int8", 2] = [1, 2]
        ) -> dict[str, on.Tensor]:
            return {"a": a}
        """,
        ready=False,
    )
    schemas = host.describe()["schema"]["components"]["schemas"]
    made = schemas["Input"]["properties"]
    assert made["a"]["x-onstage-tensor"] == {"dtype": "float32", "shape": [-1, 16]}
    assert made["a"]["properties"]["dtype"] == {"const": "float32"}
    assert made["b"]["anyOf"][0]["x-onstage-tensor"] == {}
    assert (made["c"]["x-onstage-tensor"], made["c"]["default"]) == ({"dtype": "int8", "shape": [2]}, [1, 2])
    assert schemas["Output"]["additionalProperties"]["x-onstage-type"] == "tensor"


def test_defaults_and_types_of_libraries(start):
    pytest.importorskip("numpy")
    host = start("""
        import numpy
        import onstage as on

        @on.predict
        def f(x: on.Tensor[numpy.float32, (-1,)] = [1, 2.5], y: on.Tensor = None) -> str:
            return f"{x.dtype} {x.tolist()} {y}"
    """)
    assert host.one() == "float32 [1.0, 2.5] None"


@pytest.mark.parametrize("wanted", ["complex64", ("float32", "x"), ("float32", (1, -2)), ("float32", (True,)), 3])
def test_what_is_no_tensor_type_is_refused(wanted):
    with pytest.raises(DeclarationError):
        on.Tensor[wanted]


def test_tensors_of_plain_python():
    made = on.Tensor([[1, 2], [3, 4]])
    assert (made.dtype, made.shape, list(made.data), len(made)) == ("int64", (2, 2), [1, 2, 3, 4], 2)
    assert on.Tensor(made.tobytes(), "int64", (2, 2)) == made
    assert on.Tensor([1.5, 2], "float16").tolist() == [1.5, 2.0]
    assert on.Tensor(1.5).tolist() == 1.5
    assert on.Tensor([]).shape == (0,)
    assert on.Tensor([[], []]).tolist() == [[], []]
    # 1.00390625 lies in the middle of two bfloat16 numbers: the even one is nearest.
    assert on.Tensor([1.00390625, -2.0, math.inf], "bfloat16").tolist() == [1.0, -2.0, math.inf]
    assert math.isnan(on.Tensor([math.nan], "bfloat16").tolist()[0])
    with pytest.raises(ValueError, match="out of the range"):
        on.Tensor([1e300], "float32")
