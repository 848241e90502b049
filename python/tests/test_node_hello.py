"""The protocol is not Python's own: the worker in plain Node.js answers the same test host.

It must not be skipped where Node is missing: the examples need it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host import Host

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "node-hello"


@pytest.fixture
def host(tmp_path):
    host = Host(FOLDER, tmp_path / "host", ["node", "worker.mjs"])
    yield host
    host.__exit__()
    assert host.process.returncode == 0


def test_describes_itself_and_answers_its_examples(host):
    schema = host.describe()["schema"]
    assert schema["components"]["schemas"]["Input"]["required"] == ["name"]
    assert host.setup()["t"] == "ready"
    for path in sorted(FOLDER.glob("examples/*.json")):
        example = json.loads(path.read_text(encoding="utf-8"))
        assert host.one(**example["input"]) == example["output"]


def test_answers_each_item_once_and_says_progress(host):
    host.setup()
    names = [f"person {index}" for index in range(50)]
    results = host.predict(*({"name": name} for name in names))
    assert [one["output"] for one in results] == [f"Hello, {name}!" for name in names]
    assert len(host.all("progress")) == 50
    host.printed(b"greeted 1")


def test_refuses_as_a_user_error(host):
    host.setup()
    error = host.error(name="Ada, ,Grace")
    assert (error["kind"], error["field"]) == ("user_error", "name")


def test_pings_and_cancels(host):
    host.setup()
    first, second = host.begin({"name": ",".join(["x"] * 50_000)}, {"name": "Ada"})
    host.send({"t": "ping", "n": 5})
    assert host.wait("pong")["n"] == 5
    host.send({"t": "cancel", "id": second})
    host.send({"t": "cancel", "id": first})
    assert host.result(first)["error"]["kind"] == "canceled"
    assert host.result(second)["error"]["kind"] == "canceled"
    assert host.one(name="Grace") == "Hello, Grace!"


def test_unknown_messages_are_ignored_and_exit_ends_it(host):
    host.send({"t": "from_the_future", "x": 1})
    host.setup()
    (number,) = host.begin({"name": "Ada"})
    assert host.exit() == 0
    assert host.result(number)["output"] == "Hello, Ada!"


def test_it_ends_when_the_host_is_gone(host):
    host.setup()
    host.hang_up()
    assert host.process.wait(30) == 0
