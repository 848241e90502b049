"""Decorated functions in a plain unit test, as an author would write it; and the file types by hand.

It must not start processes.
"""

from __future__ import annotations

import json
import pathlib

import pytest

import onstage as on


@on.setup
def net(ctx: on.Ctx) -> dict:
    return {"factor": 2}


@on.predict
def age(
    zone: str = on.Input("Zone", choices=["N", "S"], default="N"), draws: int = on.Input(ge=1), *, net, ctx: on.Ctx
):
    """Age."""
    ctx.progress(1, 2)
    return zone * draws * net["factor"], ctx.state.add("calls")


@age.many(max=10)
def ages(rows, *, net):
    return [zone * net["factor"] for zone in rows.column("zone")]


def test_a_decorated_function_is_called_with_plain_values(capsys):
    assert age("S", 1, net={"factor": 1}) == ("S", 1)
    assert age(draws=2) == ("NNNN", 1)
    ctx = on.Ctx(seed=3)
    age("N", 1, ctx=ctx)
    assert age("N", 1, ctx=ctx)[1] == 2
    assert ctx.seed == 3
    assert "progress: 1/2" in capsys.readouterr().out
    assert age.__name__ == "age"
    assert age.__doc__ == "Age."
    with pytest.raises(TypeError, match="draws"):
        age("N")


def test_many_is_called_with_plain_rows():
    assert ages(on.Rows([{"zone": "N"}, {"zone": "S"}]), net={"factor": 1}) == ["N", "S"]
    assert ages([{"zone": "S"}, {}]) == ["SS", "NN"]
    with pytest.raises(KeyError, match="no column `zones`; the inputs are `zone`"):
        on.Rows([{"zone": "N"}]).column("zones")


def test_ctx_stands_alone():
    ctx = on.Ctx()
    assert ctx.cancelled is False
    assert (ctx.deadline, ctx.weights, ctx.resume) == (None, None, None)
    assert ctx.tempdir.is_dir()
    ctx.state.put("a/b", {"x": 1})
    assert ctx.state.items("a/") == [("a/b", {"x": 1})]
    ctx.state.put("a/b", None)
    assert ctx.state.get("a/b") is None
    assert ctx.state.space("shared").add("n", 2) == 2
    assert ctx.state.get("n") is None
    with pytest.raises(ValueError, match="512 bytes"):
        ctx.state.get("x" * 513)
    with pytest.raises(ValueError, match="level"):
        ctx.log("x", level="loud")
    ctx.log("x", level="WARNING")
    with pytest.raises(ValueError, match="finite"):
        ctx.state.add("n", float("nan"))


def test_state_alone_keeps_what_a_worker_would_keep():
    state = on.Ctx().state
    kept = {"pair": (1, 2)}
    state.put("k", kept)
    kept["pair"] = None
    assert state.get("k") == {"pair": [1, 2]}
    state.get("k")["pair"].append(3)
    assert state.items() == [("k", {"pair": [1, 2]})]
    for value in (object(), float("nan"), b"bytes"):
        with pytest.raises(TypeError, match="JSON value"):
            state.put("k", value)


def test_files_from_paths_bytes_and_open_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"x,y\n1,2\n")
    for source in (path, str(path), open(path, "rb"), on.File(path)):
        file = on.Table(source)
        assert (file.name, file.media_type, file.bytes()) == ("a.csv", "text/csv", b"x,y\n1,2\n")
        assert file.rows() == [{"x": "1", "y": "2"}]
    made = on.File(b"abc", name="../../etc/passwd")
    assert made.name == "passwd"
    assert pathlib.Path(made).read_bytes() == b"abc"
    assert made.open().read() == b"abc"
    with pytest.raises(TypeError, match="path, bytes"):
        on.File(3)


def test_tables_of_every_format():
    rows = [{"x": 1, "y": None}, {"x": 2, "y": "b"}]
    assert on.Table(b'{"x":1,"y":null}\n{"x":2,"y":"b"}\n', name="t.jsonl").rows() == rows
    # Not every character that looks like the end of a line is one.
    inside = {"x": "a\u2028b\x85c\x0bd"}
    assert on.Table(json.dumps(inside, ensure_ascii=False).encode(), name="t.jsonl").rows() == [inside]
    assert on.Table(b'[{"x":1,"y":null},{"x":2,"y":"b"}]', name="t.json").rows() == rows
    assert on.Table(b"x\ty\n1\t2\n", name="t.tsv").rows() == [{"x": "1", "y": "2"}]
    assert on.Table(rows).bytes() == b"x,y\n1,\n2,b\n"
    assert on.Table([{"x": float("nan"), "y": 1}]).bytes() == b"x,y\n,1\n"
    assert on.Table(b"\xef\xbb\xbfx\n1\n", name="t.csv").rows() == [{"x": "1"}]


def test_a_secret_hides_itself():
    secret = on.Secret("hunter2")
    assert secret == "hunter2"
    assert "hunter2" not in repr(secret)
