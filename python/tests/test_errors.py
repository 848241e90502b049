"""What authors see when something is wrong: in the file, in set-up, in a prediction, in an answer.

It must not accept a message that does not say where.
"""

from __future__ import annotations

import pytest

from host import Host


def failed(start, source, step="setup", **files):
    host = start(source, ready=False, **files)
    answer = getattr(host, step)()
    assert answer["t"] == "failed", answer
    assert answer["during"] == step
    assert host.exit() == 0
    return answer["error"]


def test_describe_needs_no_heavy_import_and_setup_shows_the_line(start):
    source = """
        import onstage as on
        import torch_that_does_not_exist as torch
        from numpy_that_does_not_exist import array

        ZONES = ["N", "S"]

        @on.setup
        def net():
            return torch.load("x")

        @on.predict
        @torch.no_grad()
        def f(zone: str = on.Input(choices=ZONES, default="N"), *, net) -> on.Scores:
            return {}
    """
    host = start(source, ready=False)
    schema = host.describe()["schema"]
    assert schema["components"]["schemas"]["Input"]["properties"]["zone"]["enum"] == ["N", "S"]
    error = host.setup()["error"]
    assert error["kind"] == "import_failed"
    assert error["message"] == "ModuleNotFoundError: No module named 'torch_that_does_not_exist'"
    assert 'File "model.py", line 3' in error["traceback"]
    assert "import torch_that_does_not_exist as torch" in error["traceback"]
    assert "onstage/" not in error["traceback"]
    assert "importlib" not in error["traceback"]


def test_describe_imports_when_it_must(start):
    host = start(
        """
        import onstage as on
        from shapes import Fish

        @on.predict
        def f(fish: Fish) -> str:
            return fish.name
        """,
        ready=False,
        shapes="""
        import dataclasses

        @dataclasses.dataclass
        class Fish:
            name: str
        """,
    )
    schemas = host.describe()["schema"]["components"]["schemas"]
    assert schemas["Input"]["properties"]["fish"]["allOf"] == [{"$ref": "#/components/schemas/Fish"}]
    assert host.setup()["t"] == "ready"
    assert host.one(fish={"name": "cod"}) == "cod"


def test_describe_imports_what_an_option_of_many_is_named_by(start):
    host = start(
        """
        import onstage as on
        from limits import ROWS

        @on.predict
        def f(x: int) -> int:
            return x

        @f.many(max=ROWS)
        def _(rows):
            return rows.column("x")
        """,
        ready=False,
        limits="ROWS = 7",
    )
    assert host.describe()["schema"]["many"]["max"] == 7


def test_files_beside_the_entry_file_can_be_imported(tmp_path):
    place = tmp_path / "model" / "src"
    place.mkdir(parents=True)
    (place / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (place / "main.py").write_text(
        "import onstage as on\nfrom helper import double\n\n@on.predict\ndef f(x: int) -> int:\n    return double(x)\n"
    )
    with Host(tmp_path / "model", tmp_path / "host", entry="src/main.py") as host:
        assert host.describe()["schema"]["function"] == "f"
        assert host.setup()["t"] == "ready"
        assert host.one(x=2) == 4


@pytest.mark.parametrize("step", ["describe", "setup"])
def test_a_syntax_error_shows_line_and_caret(start, step):
    error = failed(start, "import onstage as on\n\ndef f(:\n    pass\n", step)
    assert error["kind"] == "import_failed"
    assert error["message"].startswith("SyntaxError: ")
    assert 'File "model.py", line 3' in error["traceback"]
    assert "^" in error["traceback"]
    assert "onstage/" not in error["traceback"]


@pytest.mark.parametrize("step", ["describe", "setup"])
def test_no_predictor_says_what_to_add(start, step):
    error = failed(start, "def classify(text):\n    return text\n", step)
    assert error["kind"] == "no_predictor"
    assert "`model.py` has no predict function" in error["message"]
    assert "import onstage as on\n\n@on.predict\ndef classify(text)" in error["message"]
    assert error["traceback"] is None


@pytest.mark.parametrize("step", ["describe", "setup"])
def test_a_method_is_pointed_out(start, step):
    source = "import onstage as on\n\nclass Net:\n    @on.predict\n    def run(self, x: int): ...\n"
    error = failed(start, source, step)
    assert error["kind"] == "no_predictor"
    assert "`Net.run` (line 5) is a method" in error["message"]


def test_describe_does_not_trust_a_value_that_is_changed_later(start):
    host = start(
        """
        import onstage as on

        ZONES = ["N"]
        ZONES.append("S")

        @on.predict
        def f(zone: str = on.Input(choices=ZONES)) -> str:
            return zone

        if __name__ == "__main__":
            print(f("N"), ZONES)
        """,
        ready=False,
    )
    schema = host.describe()["schema"]
    assert schema["components"]["schemas"]["Input"]["properties"]["zone"]["enum"] == ["N", "S"]


def test_a_file_named_like_a_module_of_python_does_not_stop_the_worker(start):
    source = "import onstage as on\n@on.predict\ndef f() -> int:\n    return 1\n"
    assert start(source, signal="SIGURG = None\n", socket="raise RuntimeError\n").one() == 1


def test_an_empty_file_and_a_missing_file(start, tmp_path):
    error = failed(start, "", "describe")
    assert "@on.predict" in error["message"]
    host = start("", ready=False)
    (tmp_path / "model" / "model.py").unlink()
    error = host.describe()["error"]
    assert error["kind"] == "no_predictor"
    assert "there is no `model.py`" in error["message"]


@pytest.mark.parametrize("step", ["describe", "setup"])
def test_several_predictors_are_named_with_their_lines(start, step):
    source = """
        import onstage as on

        @on.predict
        def a(x: int) -> int:
            return x

        @on.predict
        def b(x: int) -> int:
            return x
    """
    error = failed(start, source, step)
    assert error["kind"] == "no_predictor"
    assert "2 predict functions: `a` (line 4) and `b` (line 8)" in error["message"]


@pytest.mark.parametrize("step", ["describe", "setup"])
def test_an_unsupported_annotation_names_the_parameter(start, step):
    source = """
        import onstage as on

        @on.predict
        def f(x: int, z: complex) -> int:
            return x
    """
    error = failed(start, source, step)
    assert error["kind"] == "import_failed"
    assert "parameter `z` of `f` has the type `complex`" in error["message"]
    assert 'File "model.py", line 4, in f' in error["traceback"]
    assert "str, int, float" in error["message"]


MANY = {
    "bare": ("@f.many", "with parentheses"),
    "positional": ("@f.many(10)", "named arguments"),
    "zero": ("@f.many(max=0)", "`max`"),
    "wait": ("@f.many(wait_ms='long')", "`wait_ms`"),
}


@pytest.mark.parametrize("case", MANY)
def test_misuse_of_many_says_how(start, case):
    decorator, words = MANY[case]
    source = "import onstage as on\n@on.predict\ndef f(x: int) -> int:\n    return x\n\n"
    error = failed(start, source + f"{decorator}\ndef g(rows):\n    return rows\n", "describe")
    assert words in error["message"]
    assert 'File "model.py", line ' in error["traceback"]


def test_an_input_asked_for_beside_the_rows_is_refused(start):
    source = "import onstage as on\n@on.predict\ndef f(x: int) -> int:\n    return x\n\n"
    error = failed(start, source + "@f.many(max=2)\ndef g(rows, x):\n    return rows\n", "describe")
    assert "row['x']" in error["message"]


def test_a_setup_that_raises_or_leaves(start):
    source = "import onstage as on\n@on.setup\ndef net():\n    {}\n@on.predict\ndef f(*, net) -> int:\n    return 1\n"
    error = failed(start, source.format("raise RuntimeError('no weights')"))
    assert error["kind"] == "setup_failed"
    assert error["message"] == "RuntimeError: no weights"
    assert error["traceback"].count("File ") == 1
    assert 'File "model.py", line 4, in net' in error["traceback"]
    assert failed(start, source.format("raise SystemExit(3)"))["kind"] == "setup_failed"
    assert failed(start, source.format("raise KeyboardInterrupt"))["kind"] == "setup_failed"


RAISING = """
    import sys
    import onstage as on

    def inner(x):
        return 1 / x

    @on.predict
    def f(x: int, how: str = "") -> float:
        if how == "user":
            raise on.UserError("photo too dark", field="photo")
        if how == "exit":
            sys.exit(3)
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "lines":
            raise ValueError("first\\nsecond")
        if how == "recursion":
            return f.function(x, how)
        return inner(x)
"""


def test_exceptions_carry_the_authors_frames_only(start):
    host = start(RAISING)
    error = host.error(x=0)
    assert error["kind"] == "exception"
    assert error["message"] == "ZeroDivisionError: division by zero"
    assert error["traceback"].count("File ") == 2
    assert "in f\n" in error["traceback"]
    assert "onstage/worker" not in error["traceback"]
    assert host.error(x=0, how="user") == {
        "kind": "user_error",
        "message": "photo too dark",
        "field": "photo",
        "traceback": None,
    }
    assert host.error(x=0, how="lines")["message"] == "ValueError: first"
    assert host.error(x=0, how="recursion")["message"].startswith("RecursionError")


@pytest.mark.parametrize("how", ["exit", "interrupt"])
def test_leaving_inside_predict_is_an_exception_and_the_worker_lives(start, how):
    host = start(RAISING)
    assert host.error(x=0, how=how)["kind"] == "exception"
    assert host.one(x=2) == 0.5


def test_inputs_that_do_not_fit(start):
    host = start(RAISING)
    assert host.error() == {"kind": "bad_input", "message": "`x` is missing", "field": "x", "traceback": None}
    assert host.error(x=1, y=2)["field"] == "y"
    assert host.error(x="one")["message"] == "`x`: expected a whole number, got `'one'` (str)"


ANSWERS = {
    "str": ("-> str", "3", "expected text as the answer, got `3` (int)"),
    "int": ("-> int", "2.5", "expected a whole number as the answer, got `2.5` (float)"),
    "bool": ("-> int", "True", "expected a whole number"),
    "none": ("-> int", "None", "got nothing (None)"),
    "nan": ("-> float", "float('nan')", "finite"),
    "inf": ("", "{'a': [1, float('inf')]}", "the answer.a[1]"),
    "nan undeclared": ("", "float('nan')", "finite"),
    "scores": ("-> on.Scores", "{'a': 'b'}", "expected a number as the answer.a"),
    "list": ("-> list[int]", "[1, 'x']", "the answer[1]"),
    "object": ("", "object()", "cannot be sent"),
    "deep": ("", "nest(200)", "nested 200 deep"),
    "deeper": ("", "nest(100000)", "nested too deep"),
    "circle": ("", "circle()", "nested too deep, or holds itself"),
    "surrogate": ("-> str", r"'\ud800'", "valid Unicode"),
    "huge": ("", "10 ** 400", "too large"),
    "long": ("-> int", "2 ** 70", "64 bits"),
    "missing file": ("-> on.File", "pathlib.Path('nowhere.png')", "`nowhere.png`, which cannot be read"),
    "large json": ("-> str", "'x' * (70 << 20)", "return a file instead"),
    "generator": ("", "(x for x in 'abc')", "generator"),
    "optional inf": ("-> Optional[float]", "float('inf')", "finite"),
    "huge float": ("-> float", "10 ** 400", "expected a finite number as the answer, got inf"),
    "reserved path": ("", "{'a': [{'$path': '/etc/passwd'}]}", "the key `$path`, which Onstage keeps for itself"),
    "reserved attachment": ("-> dict", "{'a': b'x', 'b': {'$attachment': 7}}", "the key `$attachment`"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_that_do_not_fit_are_bad_output(start, case):
    hint, value, words = ANSWERS[case]
    host = start(f"""
        import pathlib
        from typing import *
        import onstage as on

        def nest(levels):
            value = 1
            for _ in range(levels):
                value = [value]
            return value

        def circle():
            value = []
            value.append(value)
            return value

        @on.predict
        def f(good: bool = False) {hint}:
            return {{}} if good else {value}
    """)
    error = host.error()
    assert error["kind"] == "bad_output", error
    assert words in error["message"]
    host.predict({"good": True})


def test_many_isolates_rows_and_counts_them(start):
    host = start("""
        import onstage as on

        @on.predict
        def f(x: int, zone: str = "N") -> int:
            return x

        @f.many(max=10, wait_ms="auto")
        def _(rows):
            first = rows[0]["x"]
            if first == -1:
                return [1]
            if first == -2:
                raise RuntimeError("all of it")
            if first == -3:
                return "text"
            return [on.UserError("no") if row["x"] == 3 else ValueError("bad") if row["x"] == 4
                    else "four" if row["x"] == 5 else row["x"] * len(row["zone"]) for row in rows]
    """)
    results = host.predict({"x": 1}, {"x": "?"}, {"x": 3}, {"x": 4}, {"x": 5}, {"x": 6, "zone": "NE"})
    assert results[0]["output"] == 1
    kinds = [one.get("error", {}).get("kind") for one in results]
    assert kinds == [None, "bad_input", "user_error", "exception", "bad_output", None]
    assert results[5]["output"] == 12
    for first, words in ((-1, "expected 2, got 1"), (-3, "expected a list of 2, got `str`")):
        errors = [one["error"] for one in host.predict({"x": first}, {"x": 1})]
        assert {error["kind"] for error in errors} == {"bad_output"}
        assert all(words in error["message"] for error in errors)
    errors = [one["error"] for one in host.predict({"x": -2}, {"x": 1})]
    assert {error["message"] for error in errors} == {"RuntimeError: all of it"}


def test_want_of_memory_says_how_much_there_was(start):
    host = start(
        """
        import onstage as on

        @on.predict
        def f(words: str) -> str:
            raise MemoryError(words) if words else MemoryError
        """
    )
    for words in ("", "no room for the table"):
        (number,) = host.begin({"words": words})
        message = host.result(number)["error"]["message"]
        # The host knows it by the name of the class, up to the colon.
        assert message.split(":")[0] == "MemoryError"
        assert words in message and "the worker had " in message and " MiB at most" in message
