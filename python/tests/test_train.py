"""Trainings: what the schema says, what a run asks of the host, how it ends; and the same function called plainly.

It must not reach into the runner's modules.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import onstage as on

TRAINER = """
    import json
    import time
    from pathlib import Path
    import onstage as on

    @on.setup
    def net(ctx: on.Ctx):
        if ctx.weights is None:
            raise RuntimeError("there are no weights yet")
        return json.loads(Path(ctx.weights).read_text())

    @on.predict
    def scale(x: float, *, net) -> float:
        return x * net["factor"]

    @on.train
    def fit(
        data: on.Dataset,
        epochs: int = on.Input("How often", ge=1, default=3),
        *,
        ctx: on.Ctx,
    ) -> on.Weights:
        "Learn a factor"
        start = json.loads(ctx.resume.read_text())["epoch"] if ctx.resume else 0
        rows = data.path.read_text().split()
        for epoch in range(start + 1, epochs + 1):
            ctx.progress(epoch, epochs, "learning")
            ctx.metric(loss=1 / epoch, step=epoch)
            Path("state.json").write_text(json.dumps({"epoch": epoch}))
            ctx.checkpoint("state.json")
        if epochs == 99:
            print("waiting")
            time.sleep(600)
        Path("weights.json").write_text(json.dumps({"factor": len(rows), "seed": ctx.seed}))
        return on.Weights("weights.json", metrics={"accuracy": 0.5, "bad": float("nan")})
"""


def train(host, number=1, resume=None, **given):
    host.send(
        {"t": "train", "id": number, "seed": 7, "deadline_ms": 60000, "resume": resume, "input": given},
    )


def data_file(tmp_path: Path) -> dict:
    path = tmp_path / "labels.csv"
    path.write_text("a b c")
    return {"$path": str(path), "name": "labels.csv", "media_type": "text/csv"}


def begin(start, source=TRAINER, **answers):
    host = start(source, ready=False)
    host.answers.update(answers)
    answer = host.setup(work="train")
    assert answer["t"] == "ready", answer
    return host


def test_the_schema_tells_what_a_training_takes(start):
    host = start(TRAINER, ready=False)
    schema = host.describe()["schema"]
    training = schema["training"]
    assert (training["title"], training["function"]) == ("Learn a factor", "fit")
    properties = training["components"]["schemas"]["Input"]["properties"]
    assert list(properties) == ["data", "epochs"]
    assert properties["data"]["x-onstage-type"] == "dataset"
    assert properties["epochs"]["default"] == 3
    assert list(schema["components"]["schemas"]["Input"]["properties"]) == ["x"]


def test_a_training_says_how_it_goes_and_where_it_left_the_weights(start, tmp_path):
    host = begin(start)
    train(host, data=data_file(tmp_path), epochs=2)
    result = host.result(1)
    assert result["metrics"] == {"accuracy": 0.5}
    assert Path(result["output"]["path"]).read_text() == '{"factor": 3, "seed": 7}'
    assert [one["values"] for one in host.all("metric")] == [{"loss": 1.0}, {"loss": 0.5}]
    kept = host.all("checkpoint")
    assert len(kept) == 2 and all(Path(one["path"]).is_absolute() for one in kept)
    assert host.all("progress")
    folder = tmp_path / "model"
    assert not (folder / "weights.json").exists(), "the model's own folder stays as it is"


def test_a_training_goes_on_from_its_checkpoint(start, tmp_path):
    host = begin(start)
    state = tmp_path / "state.json"
    state.write_text('{"epoch": 2}')
    train(host, resume=str(state), data=data_file(tmp_path))
    host.result(1)
    assert [one["step"] for one in host.all("metric")] == [3]


def test_a_checkpoint_that_is_not_kept_is_an_error_in_the_authors_code(start, tmp_path):
    host = begin(start, checkpoint={"error": "the disk is full"})
    train(host, data=data_file(tmp_path))
    error = host.result(1)["error"]
    assert error["kind"] == "exception"
    assert "the disk is full" in error["message"]


def test_a_cancel_stops_it(start, tmp_path):
    host = begin(start)
    train(host, data=data_file(tmp_path), epochs=99)
    host.printed(b"waiting")
    host.send({"t": "cancel", "id": 1})
    assert host.result(1)["error"]["kind"] == "canceled"


def test_datasets_are_asked_for_by_name(start, tmp_path):
    placed = data_file(tmp_path)
    source = """
        import onstage as on

        @on.predict
        def f(x: int) -> int:
            return x

        @on.train
        def fit(ctx: on.Ctx):
            print("rows", len(ctx.dataset("labels@v3").path.read_text().split()))
            ctx.dataset("none")
    """
    host = begin(start, source, dataset=lambda message: {"dataset": placed} if "v3" in message["name"] else no)
    train(host)
    error = host.result(1)["error"]
    host.printed(b"rows 3")
    assert "there is no dataset" in error["message"]


no = {"error": "there is no dataset `none`"}

OTHER = """
    import onstage as on

    @on.predict
    def f(x: int) -> int:
        return x
"""


def test_a_model_without_a_training_says_so(start):
    host = start(OTHER, ready=False)
    assert "training" not in host.describe()["schema"]
    error = host.setup(work="train")["error"]
    assert "@on.train" in error["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "returns the path"),
        ("return 'nowhere.pt'", "there is nothing"),
        ("return on.Weights('model.py', metrics={'a': 'b'})", "the metric `a` is a number"),
        ("raise on.UserError('too few rows')", "too few rows"),
        ("return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_what_is_no_end_of_a_training_is_told(start, body, said):
    source = textwrap.dedent(OTHER) + f"\n@on.train\ndef fit():\n    {body}\n"
    host = begin(start, source)
    train(host)
    assert said in host.result(1)["error"]["message"]


def test_two_trainings_or_one_that_yields_are_refused(start):
    twice = textwrap.dedent(OTHER) + "\n@on.train\ndef a():\n    pass\n\n@on.train\ndef b():\n    pass\n"
    error = start(twice, ready=False).describe()["error"]
    assert "2 training functions" in error["message"]
    with pytest.raises(TypeError, match="must not yield"):

        @on.train
        def fit():
            yield 1


def test_a_training_is_called_plainly_in_a_unit_test(tmp_path, capsys):
    @on.train
    def fit(data: on.Dataset, epochs: int = on.Input(ge=1, default=2), *, ctx: on.Ctx) -> on.Weights:
        begun = int(ctx.resume.read_text()) if ctx.resume else 0
        rows = len(ctx.dataset("more").path.read_text()) + len(data.path.read_text())
        out = ctx.tempdir / "weights.txt"
        for epoch in range(begun, epochs):
            out.write_text(str(epoch + 1))
            ctx.metric(loss=1.0, step=epoch)
            ctx.checkpoint(out)
        return on.Weights(out, metrics={"rows": rows})

    path = tmp_path / "data.csv"
    path.write_text("abc")
    ctx = on.Ctx(datasets={"more": path})
    made = fit(on.Dataset(path), ctx=ctx)
    assert (made.path.read_text(), made.metrics) == ("2", {"rows": 6})
    assert "metric: loss=1 step=1" in capsys.readouterr().out
    later = on.Ctx(resume=made.path, datasets={"more": path})
    again = fit(on.Dataset(path), 4, ctx=later)
    assert again.path.read_text() == "4"
    with pytest.raises(KeyError, match="datasets="):
        on.Ctx().dataset("labels")
    with pytest.raises(FileNotFoundError):
        on.Ctx().checkpoint(tmp_path / "none")
