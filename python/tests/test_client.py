"""The HTTP client against a small server that answers as the HTTP contract says.

It must not need a running Onstage; the end-to-end tests use the client against the real one.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading

import pytest

import onstage as on
from onstage.client import ApiError, PredictionFailed

CUT = 0  # a status that is never sent: the line breaks instead


class Stand(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PUT(self):
        self.serve()

    def do_PATCH(self):
        self.serve()

    def do_DELETE(self):
        self.serve()

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, self.headers, body))
        status, answer, headers = self.server.answers.pop(0)
        if status == CUT:
            self.close_connection = True
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.HTTPServer(("127.0.0.1", 0), Stand)
    made.seen, made.answers = [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    made.client = on.Client(f"http://127.0.0.1:{made.server_port}/", "os_secret")
    yield made
    made.shutdown()
    thread.join()
    made.server_close()
    assert not made.answers


def known(*names):
    return 200, {"results": [dict(zip(("owner", "name"), name.split("/"))) for name in names], "next": None}, {}


def record(status, **fields):
    urls = {"get": "/v1/predictions/p1", "cancel": "/v1/predictions/p1/cancel", "result": "/v1/batches/b1/result"}
    return {"id": "p1", "status": status, "output": None, "urls": urls, **fields}


def test_predict_sends_inputs_and_waits(server, tmp_path):
    photo = tmp_path / "fish.png"
    photo.write_bytes(b"\x89PNG")
    server.answers = [
        (202, record("starting"), {}),
        (200, record("processing"), {}),
        (200, record("succeeded", output={"N": 1.0}), {}),
    ]
    assert server.client.predict("lab/age", photo=open(photo, "rb"), zones=["N"]) == {"N": 1.0}
    method, path, headers, body = server.seen[0]
    assert (method, path) == ("POST", "/v1/models/lab/age/predictions")
    assert headers["Authorization"] == "Bearer os_secret"
    assert headers["Prefer"] == "wait=20"
    assert headers["Idempotency-Key"]
    expected = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    assert json.loads(body) == {"input": {"photo": expected, "zones": ["N"]}}
    assert server.seen[1][1] == "/v1/predictions/p1?wait=20"


def test_a_failed_prediction_and_a_refusal_raise(server):
    server.answers = [
        (201, record("failed", error="photo too dark"), {}),
        (422, {"detail": "`zone` is not one of N, S", "code": "invalid_input", "hint": "send N or S"}, {}),
    ]
    with pytest.raises(PredictionFailed, match="photo too dark"):
        server.client.predict("lab/age", x=1)
    with pytest.raises(ApiError, match="hint: send N or S") as raised:
        server.client.predict("lab/age", x=1)
    assert (raised.value.status, raised.value.code) == (422, "invalid_input")
    assert server.seen[0][1] == "/v1/models/lab/age/predictions"


def test_a_full_queue_is_tried_again_with_the_same_key(server):
    server.answers = [(429, {}, {"Retry-After": "0"}), (201, record("succeeded", output=3), {})]
    assert server.client.predict("lab/age", x=1) == 3
    assert server.seen[0][2]["Idempotency-Key"] == server.seen[1][2]["Idempotency-Key"]


def test_a_line_that_breaks_is_tried_again_with_the_same_key(server, monkeypatch):
    monkeypatch.setattr("onstage.client.RETRY_SECONDS_MAX", 0)
    half = (201, b'{"id"', {"Content-Length": "99"})
    server.answers = [(CUT, b"", {}), half, (201, record("succeeded", output=3), {})]
    assert server.client.predict("lab/age", x=1) == 3
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.seen}) == 1
    server.answers = [(CUT, b"", {})] * 5
    with pytest.raises(ConnectionError, match="cannot be reached"):
        server.client.predict("lab/age", x=1)


def test_a_name_alone_is_of_whoever_has_it(server):
    server.answers = [known("lake/fish", "sea/age", "lake/age"), known("sea/age"), (201, record("succeeded"), {})]
    with pytest.raises(ValueError, match="`sea/age`, `lake/age`"):
        server.client.predict("age")
    server.client.predict("age")
    assert server.seen[-1][1] == "/v1/models/sea/age/predictions"
    server.answers = [(201, record("succeeded"), {}), known("sea/age")]
    server.client.predict("age@v2")
    assert json.loads(server.seen[-1][3])["version"] == "sea/age@v2"
    with pytest.raises(ApiError, match="no model `fish`") as raised:
        server.client.predict("fish")
    assert raised.value.status == 404


def test_large_files_are_uploaded_and_batches_give_a_table(server):
    server.answers = [
        (201, {"id": "f1"}, {}),
        (202, record("processing"), {}),
        (200, record("succeeded"), {}),
        (200, b"a,answer\n", {}),
    ]
    job = server.client.batch("lab/age", [{"a": 1}], limit=5)
    assert job.wait().result() == b"a,answer\n"
    assert b'filename="table.csv"' in server.seen[0][3]
    assert b"a\n1\n" in server.seen[0][3]
    assert json.loads(server.seen[1][3]) == {"table": "onstage://files/f1", "limit": 5}


def test_the_files_of_a_table_go_beside_it(server, tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "deep" / "a.txt").write_text("anna")
    server.answers = [(201, {"id": "t1"}, {}), (201, {"id": "f1"}, {}), (202, record("processing"), {})]
    server.client.batch("lab/age", [{"photo": "deep/a.txt"}], files=tmp_path / "photos")
    assert b'filename="photos.tar"' in server.seen[1][3]
    assert b"deep/a.txt" in server.seen[1][3]
    assert json.loads(server.seen[2][3]) == {"table": "onstage://files/t1", "files": "onstage://files/f1"}
    server.answers = [(201, {"id": "t1"}, {}), (202, record("processing"), {})]
    server.client.batch("lab/age", [{"photo": "a.txt"}], files="onstage://datasets/shots")
    assert json.loads(server.seen[4][3])["files"] == "onstage://datasets/shots"


def test_models_follow_the_pages(server):
    server.answers = [
        (200, {"results": [{"name": "a"}], "next": "/v1/models?cursor=2"}, {}),
        (200, {"results": [{"name": "b"}], "next": None}, {}),
    ]
    assert [one["name"] for one in server.client.models()] == ["a", "b"]


@pytest.mark.parametrize("sent_on", [False, True])
def test_the_token_stays_with_its_server(server, sent_on):
    other = http.server.HTTPServer(("127.0.0.1", 0), Stand)
    other.seen, other.answers = [], [(200, b"bytes", {})]
    thread = threading.Thread(target=other.handle_request)
    thread.start()
    there = f"http://127.0.0.1:{other.server_port}/x"
    server.answers = [(302, b"", {"Location": there})] if sent_on else []
    assert server.client.fetch("/v1/files/f1/content" if sent_on else there) == b"bytes"
    thread.join()
    other.server_close()
    assert other.seen[0][2]["Authorization"] is None
    assert all(headers["Authorization"] == "Bearer os_secret" for _, _, headers, _ in server.seen)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ConnectionError, match="cannot be reached"):
        on.Client("http://127.0.0.1:9").models()


def test_a_training_is_of_the_live_version_or_of_the_one_named(server, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("x\n1\n")
    done = record("succeeded", output={"version": "lab/age:b2", "number": 2})
    server.answers = [
        (200, {"latest_version": {"id": "a1"}}, {}),
        (201, record("starting"), {}),
        (200, done, {}),
        known("lab/age"),
        (201, done, {}),
        (200, {"latest_version": None}, {}),
    ]
    made = server.client.train("lab/age", {"data": "labels@v3", "epochs": 5}, promote=True)
    assert made.wait().output["number"] == 2
    assert server.seen[1][:2] == ("POST", "/v1/models/lab/age/versions/a1/trainings")
    assert json.loads(server.seen[1][3]) == {"input": {"data": "labels@v3", "epochs": 5}, "promote": True}
    server.client.train("age@v3", {"data": table})
    assert server.seen[4][1] == "/v1/models/lab/age/versions/v3/trainings"
    assert json.loads(server.seen[4][3])["input"]["data"].startswith("data:text/csv;base64,")
    with pytest.raises(ValueError, match="age@v1"):
        server.client.train("age", {})


def test_a_dataset_goes_up_whole_or_in_parts(server, tmp_path, monkeypatch):
    path = tmp_path / "l a.csv"
    path.write_text("a,b,c\n")
    server.answers += [(201, {"reference": "labels@v1"}, {})]
    assert server.client.upload_dataset("labels", path) == "labels@v1"
    method, asked, _, body = server.seen.pop()
    assert (method, asked, body) == ("PUT", "/v1/datasets/labels?filename=l+a.csv", b"a,b,c\n")

    monkeypatch.setattr("onstage.client.WHOLE_BYTES_MAX", 3)
    urls = {"parts": "/v1/uploads/u1/parts", "complete": "/v1/uploads/u1/complete"}
    begun = {"id": "u1", "part_size": 4, "part_count": 2, "urls": urls}
    server.answers += [(201, begun, {}), (503, {}, {"Retry-After": "0"}), (200, {}, {}), (200, {}, {})]
    server.answers += [(201, {"reference": "labels@v2"}, {})]
    assert server.client.upload_dataset("labels", path, format="csv") == "labels@v2"
    first, *parts, complete = server.seen
    assert json.loads(first[3]) == {"name": "l a.csv", "size": 6, "dataset": "labels", "format": "csv"}
    assert [(part[0], part[1].split("?")[0], part[3]) for part in parts] == [
        ("PUT", "/v1/uploads/u1/parts/1", b"a,b,"),
        ("PUT", "/v1/uploads/u1/parts/1", b"a,b,"),
        ("PUT", "/v1/uploads/u1/parts/2", b"c\n"),
    ]
    assert complete[:2] == ("POST", "/v1/uploads/u1/complete")

    server.answers += [(200, {"reference": "labels@v2"}, {})]
    server.client.dataset("labels@v2")
    assert server.seen.pop()[1] == "/v1/datasets/labels/versions/v2"


def test_parts_go_past_the_server_where_the_storage_takes_them(server, tmp_path, monkeypatch):
    path = tmp_path / "l.csv"
    path.write_text("a,b,c\n")
    monkeypatch.setattr("onstage.client.WHOLE_BYTES_MAX", 3)
    urls = {"parts": "/v1/uploads/u1/parts", "complete": "/v1/uploads/u1/complete"}
    begun = {"id": "u1", "part_size": 4, "part_count": 2, "urls": urls, "direct": True}
    elsewhere = server.client.url.replace("127.0.0.1", "localhost")
    link = {"url": f"{elsewhere}/bucket/1?signed", "headers": {"X-Check": "1"}}
    server.answers += [(201, begun, {}), (200, link, {}), (200, {}, {}), (200, {}, {})]
    server.answers += [(200, link, {}), (403, {}, {}), (200, {}, {})]
    server.answers += [(202, begun, {}), (201, {"reference": "labels@v1"}, {})]
    monkeypatch.setattr("onstage.parts.LOOK_AGAIN_SECONDS", 0)
    assert server.client.upload_dataset("labels", path) == "labels@v1"
    _, *asked, _, _ = server.seen
    assert [(method, where.split("?")[0]) for method, where, *_ in asked] == [
        ("POST", "/v1/uploads/u1/parts/1/link"),
        ("PUT", "/bucket/1"),
        ("POST", "/v1/uploads/u1/parts/1"),
        ("POST", "/v1/uploads/u1/parts/2/link"),
        ("PUT", "/bucket/1"),
        ("PUT", "/v1/uploads/u1/parts/2"),
    ]
    _, _, headers, body = asked[1]
    assert (headers["X-Check"], body) == ("1", b"a,b,")
    assert "Authorization" not in headers
    assert asked[0][1].split("sha256=")[1] == hashlib.sha256(b"a,b,").hexdigest()


def test_an_alias_names_a_version(server, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("x\n1\n")
    done = record("succeeded", output=10)
    server.answers = [(201, done, {}), (201, {"id": "f1"}, {}), (202, done, {})]
    assert server.client.predict("lab/age@staging", n=5) == 10
    method, path, _, body = server.seen.pop()
    assert (method, path) == ("POST", "/v1/predictions")
    assert json.loads(body) == {"input": {"n": 5}, "version": "lab/age@staging"}
    server.client.batch("lab/age@staging", table)
    assert server.seen[-1][1] == "/v1/models/lab/age/batches"
    assert json.loads(server.seen[-1][3])["version"] == "staging"

    server.answers = [(200, {}, {}), (200, {"results": [{"alias": "staging", "number": 3}], "next": None}, {})]
    server.client.set_alias("lab/age", "staging", 3)
    assert server.seen[-1][:2] == ("PUT", "/v1/models/lab/age/aliases/staging")
    assert json.loads(server.seen[-1][3]) == {"version": 3}
    assert server.client.aliases("lab/age") == {"staging": 3}


def schedule_record(**fields):
    urls = {"get": "/v1/schedules/s1"}
    return {"id": "s1", "said": "every hour", "next_at": "2026-01-01T00:00:00Z", "urls": urls, **fields}


def test_a_schedule_makes_any_kind_of_job(server, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("x\n1\n")
    server.answers = [(201, schedule_record(), {})] * 3 + [(201, {"id": "f1"}, {}), (201, schedule_record(), {})]
    client = server.client
    assert client.schedule("lab/age@staging", {"n": 5}, every="1h", overlap="queue").next_at == "2026-01-01T00:00:00Z"
    client.schedule("lab/age", {"data": "labels"}, train=True, cron="@daily", timezone="Europe/Zurich", promote=True)
    client.schedule("lab/age", table="labels@v3", every="1d", paused=True)
    client.schedule("lab/age", table=table, every="1d")
    paths = [path for _, path, _, _ in server.seen]
    assert paths == ["/v1/schedules"] * 3 + ["/v1/files", "/v1/schedules"]
    wishes = [json.loads(body) for _, path, _, body in server.seen if path == "/v1/schedules"]
    prediction, training, batch, of_file = wishes
    assert prediction == {
        "model": "lab/age",
        "version": "staging",
        "kind": "prediction",
        "request": {"input": {"n": 5}},
        "cron": None,
        "timezone": None,
        "every": "1h",
        "overlap": "queue",
    }
    assert (training["kind"], training["timezone"]) == ("training", "Europe/Zurich")
    assert training["request"] == {"input": {"data": "labels"}, "promote": True}
    assert (batch["kind"], batch["paused"]) == ("batch", True)
    assert batch["request"] == {"table": "onstage://datasets/labels@v3"}
    assert of_file["request"] == {"table": "onstage://files/f1"}
    with pytest.raises(ValueError, match="table"):
        client.schedule("lab/age", {"n": 5}, table="labels", every="1h")


def test_a_schedule_is_listed_paused_run_and_removed(server):
    ran = schedule_record(urls={"get": "/v1/schedules/s1", "last_job": "/v1/jobs/p1"})
    server.answers = [
        (200, {"results": [schedule_record()], "next": "/v1/schedules?model=lab%2Fage&cursor=2"}, {}),
        (200, {"results": [schedule_record()], "next": None}, {}),
        (200, schedule_record(next_at=None), {}),
        (200, schedule_record(), {}),
        (200, ran, {}),
        (200, {"id": "p1", "urls": {"record": "/v1/predictions/p1"}}, {}),
        (200, record("succeeded", output=7), {}),
        (204, b"", {}),
    ]
    one, _ = server.client.schedules("lab/age")
    assert server.seen[0][1] == "/v1/schedules?model=lab/age"
    assert one.last_job() is None
    assert one.pause().next_at is None
    assert one.resume().next_at is not None
    assert one.run().wait().output == 7
    one.remove()
    assert [(method, path, json.loads(body or "null")) for method, path, _, body in server.seen[2:]] == [
        ("PATCH", "/v1/schedules/s1", {"paused": True}),
        ("PATCH", "/v1/schedules/s1", {"paused": False}),
        ("POST", "/v1/schedules/s1/run", None),
        ("GET", "/v1/jobs/p1", None),
        ("GET", "/v1/predictions/p1", None),
        ("DELETE", "/v1/schedules/s1", None),
    ]
