"""What a running function says and asks: chunks, progress, logs, metrics, app state, temporary files.

It must not test the shapes of answers.
"""

from __future__ import annotations


def test_a_generator_streams_chunks_then_their_number(start):
    host = start("""
        import onstage as on

        @on.predict
        def f(n: int):
            for index in range(n):
                yield f"piece {index}"
            if n == 3:
                yield b"bytes"
            if n == 4:
                raise on.UserError("enough")
    """)
    schema_host = start(
        """
        from typing import Iterator
        import onstage as on

        @on.predict
        def f(n: int) -> Iterator[str]:
            yield "x"
    """,
        ready=False,
    )
    schema = schema_host.describe()["schema"]
    assert schema["streams"] is True
    assert schema["components"]["schemas"]["Output"] == {
        "title": "Output",
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    }
    result = host.predict({"n": 3})[0]
    assert (result["output"], result["chunks"]) == (None, 4)
    chunks = host.all("chunk")
    assert [one["index"] for one in chunks] == [0, 1, 2, 3]
    assert [one["output"] for one in chunks[:3]] == ["piece 0", "piece 1", "piece 2"]
    assert chunks[3]["attachments"] == [b"bytes"]
    assert host.predict({"n": 0})[0]["chunks"] == 0
    assert host.error(n=4)["message"] == "enough"


def test_progress_log_and_metric_are_messages(start):
    host = start("""
        import onstage as on

        @on.predict
        def f(*, ctx: on.Ctx) -> int:
            ctx.progress(1, 10, "reading")
            ctx.log("careful", level="warning")
            ctx.metric(loss=0.5, nan=float("nan"), step=3)
            ctx.progress(10, 10)
            return 1
    """)
    (number,) = host.begin({})
    host.result(number)
    first, last = host.all("progress")
    assert (first["id"], first["done"], first["total"], first["text"]) == (number, 1, 10, "reading")
    assert (last["done"], last["text"]) == (10, None)
    log = host.all("log")[0]
    assert (log["id"], log["level"], log["text"]) == (number, "warning", "careful")
    metric = host.all("metric")[0]
    assert (metric["values"], metric["step"]) == ({"loss": 0.5}, 3)


def test_a_flood_of_progress_is_thinned_out(start):
    host = start("""
        import onstage as on

        @on.predict
        def f(*, ctx: on.Ctx) -> int:
            for index in range(20_000):
                ctx.progress(index, 20_000)
            ctx.progress(20_000, 20_000)
            return 1
    """)
    assert host.predict({})[0]["output"] == 1
    told = [one["done"] for one in host.all("progress")]
    assert told[-1] == 20_000
    assert len(told) < 2_000


def test_state_operations_are_asked_and_answered(start):
    host = start(
        """
        import concurrent.futures
        import onstage as on

        @on.setup
        def seen(ctx: on.Ctx):
            return ctx.state.add("setups")

        @on.predict
        def f(*, ctx: on.Ctx, seen) -> dict:
            shared = ctx.state.space("activity")
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                sums = list(pool.map(lambda _: ctx.state.add("hits"), range(8)))
            ctx.state.put("k", {"a": [1]})
            answer = {"seen": seen, "got": ctx.state.get("k"), "missing": ctx.state.get("no", 5),
                      "items": ctx.state.items("hi"), "shared": shared.add("x", 2.5), "sums": sorted(sums)}
            try:
                ctx.state.put("refused", 1)
            except RuntimeError as error:
                answer["error"] = str(error)
            return answer
    """,
        ready=False,
    )
    spaces: dict = {}
    asked = []

    def answer(message):
        asked.append(message)
        held = spaces.setdefault(message["space"], {})
        key, value = message["key"], message["value"]
        if key == "refused":
            return {"error": "state is full"}
        if message["op"] == "add":
            held[key] = held.get(key, 0) + value
            return {"value": held[key]}
        if message["op"] == "put":
            held[key] = value
            return {"value": None}
        if message["op"] == "items":
            return {"value": [[name, held[name]] for name in sorted(held) if name.startswith(key)]}
        return {"value": held.get(key)}

    host.answer_state = answer
    assert host.setup()["t"] == "ready"
    assert asked[0]["id"] is None
    assert host.one() == {
        "seen": 1,
        "got": {"a": [1]},
        "missing": 5,
        "items": [["hits", 8]],
        "shared": 2.5,
        "sums": [1, 2, 3, 4, 5, 6, 7, 8],
        "error": "app state, `put` of `refused`: state is full",
    }


def test_files_come_as_objects_and_their_copies_are_removed(start, tmp_path):
    host = start("""
        import os
        import onstage as on

        @on.predict
        def f(a: on.File, b: on.File, c: dict, *, ctx: on.Ctx) -> dict:
            (ctx.tempdir / "scratch").write_text("x")
            return {"a": a.bytes().decode(), "name": a.name, "type": a.media_type, "path": str(a.path),
                    "again": open(a).read(), "b": b.text(), "b_path": str(b.path), "c": c["deep"][0].text(),
                    "temp": str(ctx.tempdir)}
    """)
    given = tmp_path / "on disk.txt"
    given.write_text("from disk")
    inputs = {
        "a": {"$attachment": 0, "name": "a.txt", "media_type": "text/plain"},
        "b": {"$path": str(given), "name": "on disk.txt"},
        "c": {"deep": [{"$attachment": 1}]},
    }
    output = host.predict(inputs, attachments=[b"hello", b"nested"])[0]["output"]
    assert (output["a"], output["name"], output["type"], output["again"]) == ("hello", "a.txt", "text/plain", "hello")
    assert (output["b"], output["b_path"], output["c"]) == ("from disk", str(given), "nested")
    host.one_more = host.predict(inputs, attachments=[b"hello", b"nested"])
    import os

    assert not os.path.exists(output["path"])
    assert not os.path.exists(output["temp"])
    assert given.exists()


def test_a_path_made_in_the_tempdir_can_be_the_answer(start):
    host = start("""
        import pathlib
        import onstage as on

        @on.predict
        def f(*, ctx: on.Ctx) -> pathlib.Path:
            path = ctx.tempdir / "out.csv"
            path.write_text("a,b\\n1,2\\n")
            return path
    """)
    result = host.predict({})[0]
    assert result["output"] == {"$attachment": 0, "name": "out.csv", "media_type": "text/csv"}
    assert result["attachments"] == [b"a,b\n1,2\n"]


def test_a_file_on_disk_keeps_its_name(start):
    host = start("""
        import pathlib
        import onstage as on

        @on.predict
        def f(a: pathlib.Path, b: on.File) -> list:
            return [a.name, b.path.name, a.read_text() + b.text()]
    """)
    inputs = {
        "a": {"$attachment": 0, "name": "reads.tar.gz"},
        "b": {"$attachment": 1, "name": "../" + "é" * 300 + ".csv"},
    }
    names = host.predict(inputs, attachments=[b"x", b"y"])[0]["output"]
    assert names[0] == "reads.tar.gz"
    assert names[1].endswith("éé.csv")
    assert names[2] == "xy"


def test_defaults_come_as_their_type(start):
    host = start("""
        import enum, pathlib
        import onstage as on

        class Zone(str, enum.Enum):
            NORTH = "N"

        pathlib.Path("default.txt").write_text("from the folder")

        @on.predict
        def f(zone: Zone = "N", data: on.File = "default.txt", path: pathlib.Path = "default.txt",
              raw: bytes = b"raw", n: int = None) -> list:
            return [repr(zone), data.text(), path.name, raw.decode(), n]
    """)
    assert host.one() == ["<Zone.NORTH: 'N'>", "from the folder", "default.txt", "raw", None]
    assert host.one(n=None)[4] is None


def test_a_wrong_value_inside_a_record_is_named(start):
    host = start("""
        import dataclasses, datetime
        import onstage as on

        @dataclasses.dataclass
        class Fish:
            caught: datetime.date

        @on.predict
        def f(fish: Fish) -> datetime.date:
            return datetime.datetime(2026, 1, 2, 3)
    """)
    error = host.error(fish={"caught": "2026-02-30"})
    assert error["field"] == "fish"
    assert error["message"] == "`fish`: `caught`: expected a date like 2026-05-31, got `'2026-02-30'` (str)"
    assert host.one(fish={"caught": "2026-02-03"}) == "2026-01-02"


def test_any_sequence_is_a_list(start):
    host = start("""
        import collections
        from typing import List, Set
        import onstage as on

        @on.predict
        def f(names: Set[str]) -> List[list]:
            assert type(names) is set
            return [range(2), collections.deque([1]), {"a": 1}.keys(), {"a": 1}.values(), sorted(names)]
    """)
    assert host.one(names=["b", "a"]) == [[0, 1], [1], ["a"], [1], ["a", "b"]]
