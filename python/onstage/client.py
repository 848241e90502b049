"""`Client`: Onstage's HTTP API from Python, with the standard library alone.

It must not know anything that the public HTTP contract does not say.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

from onstage.files import File, media_type_of
from onstage.packed import packed
from onstage.parts import upload_parts
from onstage.refusal import ApiError, refused
from onstage.running import WAIT_SECONDS_MAX, PredictionFailed, Running, Schedule
from onstage.shapes.loose import anything
from onstage.tables import Table
from onstage.wire import Outgoing

__all__ = ["ApiError", "Client", "PredictionFailed", "Running", "Schedule"]

REQUEST_SECONDS_MAX = 120
INLINE_BYTES_MAX = 256 << 10
WHOLE_BYTES_MAX = 64 << 20
TRIES_MAX = 5
RETRY_SECONDS_MAX = 30.0


class Client:
    """`Client("http://127.0.0.1:8484", token).predict("lab/age", photo=open("fish.jpg", "rb"))`."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None) -> None:
        self.url = (url or os.environ.get("ONSTAGE_URL") or "http://127.0.0.1:8484").rstrip("/")
        self._token = token or os.environ.get("ONSTAGE_TOKEN")
        self._full_names: Dict[str, str] = {}

    def predict(self, model: str, /, **inputs: Any) -> Any:
        """One answer, waited for as long as it takes. Raises PredictionFailed.

        The live version answers, or the one that is named: `"lab/age@v3"`, `"lab/age@staging"`.
        """
        return self.predict_async(model, _prefer=f"wait={WAIT_SECONDS_MAX}", **inputs).wait().output

    def predict_async(self, model: str, /, *, _prefer: str = "respond-async", **inputs: Any) -> Running:
        """Start a prediction and go on; `.wait().output` is its answer."""
        body: Dict[str, Any] = {"input": {name: self.to_json(value) for name, value in inputs.items()}}
        name, at, version = model.partition("@")
        path = f"{self._path(name)}/predictions"
        if at:
            path, body["version"] = "/v1/predictions", f"{self._full_name(name)}@{version}"
        record = self.call("POST", path, body, {"Prefer": _prefer})
        return Running(self, record)

    def batch(self, model: str, table: Any, /, *, files: Any = None, **fields: Any) -> Running:
        """Every row of a table through the model; `.wait().result()` is the table with answers.

        A table is a file, or a dataset as `"onstage://datasets/fish"`. The live version computes, or the one that is
        named: `"lab/age@v3"`, `"lab/age@staging"`. Cells of inputs that are files are paths in `files`: a folder, a
        ZIP or TAR of one, or a dataset (`"onstage://datasets/photos"`).
        """
        name, _, version = model.partition("@")
        body = {"table": self._rows_of(table), **({"version": version} if version else {}), **fields}
        if files is not None:
            body["files"] = self._files_of(files)
        record = self.call("POST", f"{self._path(name)}/batches", body)
        return Running(self, record)

    def _rows_of(self, table: Any) -> str:
        named = isinstance(table, str) and table.startswith("onstage://")
        return table if named else self.upload(Table(table))

    def train(self, model: str, inputs: Mapping[str, Any], /, **fields: Any) -> Running:
        """Train the live version, or that of `"lab/age@v3"`; `.wait().output["number"]` is the new version.

        `{"data": "labels"}` names a dataset, `{"data": Path("labels.csv")}` sends a file; `fields` are `promote=True`,
        `destination="lab/other"`, `gates=["accuracy >= 0.9"]` and `seed=1`.
        """
        name, _, version = model.partition("@")
        if not version:
            live = self.call("GET", self._path(name)).get("latest_version")
            if live is None:
                raise ValueError(f"the model `{name}` has no live version: name one, as `{name}@v1`")
            version = str(live["id"])
        body = {"input": {key: self.to_json(value) for key, value in inputs.items()}, **fields}
        route = f"{self._path(name)}/versions/{urllib.parse.quote(version)}/trainings"
        return Running(self, self.call("POST", route, body))

    def schedule(
        self,
        model: str,
        inputs: Optional[Mapping[str, Any]] = None,
        /,
        *,
        table: Any = None,
        train: bool = False,
        cron: Optional[str] = None,
        timezone: Optional[str] = None,
        every: Optional[str] = None,
        **fields: Any,
    ) -> Schedule:
        """Have a prediction of `inputs`, with `train=True` a training, or a batch job of a `table` made by the clock.

        When: `cron="30 6 * * mon-fri"` by the clocks of `timezone="Europe/Zurich"`, or `every="1h"`. A table is a
        dataset by its name (`"labels"`, of which each tick takes the newest version) or a file. The version of
        `"lab/age@staging"` is looked up at every tick. `fields` are the schedule's `overlap="queue"`,
        `catch_up=False` and `paused=True`; others go with the job: `promote=True`, `seed=1`.
        """
        if table is not None and (inputs or train):
            raise ValueError("a schedule has a table, or inputs: a batch job takes its inputs from the table")
        own: Dict[str, Any] = {name: fields.pop(name) for name in ("overlap", "catch_up", "paused") if name in fields}
        what: Dict[str, Any]
        if table is not None:
            kind, what = "batch", {"table": self._table_of(table)}
        else:
            kind = "training" if train else "prediction"
            what = {"input": {name: self.to_json(value) for name, value in (inputs or {}).items()}}
        name, _, version = model.partition("@")
        wish: Dict[str, Any] = {
            "model": self._full_name(name),
            "version": version or None,
            "kind": kind,
            "request": {**what, **fields},
            "cron": cron,
            "timezone": timezone,
            "every": every,
            **own,
        }
        return Schedule(self, self.call("POST", "/v1/schedules", wish))

    def schedules(self, model: Optional[str] = None) -> List[Schedule]:
        """Every schedule, or those of one model, newest first."""
        query = f"?model={urllib.parse.quote(self._full_name(model))}" if model else ""
        return [Schedule(self, record) for record in self._pages(f"/v1/schedules{query}")]

    def models(self) -> List[Dict[str, Any]]:
        """Every model that this token may see."""
        return list(self._pages("/v1/models"))

    def aliases(self, model: str) -> Dict[str, int]:
        """The names that the model's versions have, each with the version's number."""
        return {one["alias"]: one["number"] for one in self._pages(f"{self._path(model)}/aliases")}

    def set_alias(self, model: str, alias: str, version: Union[int, str]) -> None:
        """Point a name at a version: `3`, `"v3"`, an id or another alias."""
        self.call("PUT", f"{self._path(model)}/aliases/{urllib.parse.quote(alias)}", {"version": version})

    def remove_alias(self, model: str, alias: str) -> None:
        """Remove a name; the version stays."""
        self.call("DELETE", f"{self._path(model)}/aliases/{urllib.parse.quote(alias)}")

    def upload(self, file: File) -> str:
        """Keep a file on the server and return the `onstage://` name it has in inputs."""
        boundary = "onstage" + os.urandom(12).hex()
        name = file.name.replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{name}"\r\n'
        head += f"Content-Type: {file.media_type}\r\n\r\n"
        data = head.encode() + file.bytes() + f"\r\n--{boundary}--\r\n".encode()
        raw = self.request("POST", "/v1/files", data, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        return f"onstage://files/{json.loads(raw)['id']}"

    def dataset(self, reference: str) -> Dict[str, Any]:
        """What the server says of a dataset's newest version (`"labels"`) or of one (`"labels@v3"`)."""
        name, _, number = reference.partition("@")
        path = f"/v1/datasets/{urllib.parse.quote(name)}/versions/{urllib.parse.quote(number or 'newest')}"
        record: Dict[str, Any] = self.call("GET", path)
        return record

    def upload_dataset(self, name: str, source: Any, /, format: Optional[str] = None) -> str:
        """Add a file as a dataset's next version and return its reference, `"labels@v3"`; large ones go in parts."""
        file = File(source)
        size = file.path.stat().st_size
        if size > WHOLE_BYTES_MAX:
            wish = {"name": file.name, "size": size, "dataset": name, "format": format}
            return str(upload_parts(self, file, wish)["reference"])
        query = {"filename": file.name, **({"format": format} if format else {})}
        path = f"/v1/datasets/{urllib.parse.quote(name)}?{urllib.parse.urlencode(query)}"
        raw = self.request("PUT", path, file.bytes(), {"Content-Type": "application/octet-stream"})
        return str(json.loads(raw)["reference"])

    def to_json(self, value: Any) -> Any:
        """An input as JSON: small files as data URLs, large ones uploaded first."""
        if hasattr(value, "read") or isinstance(value, os.PathLike):
            value = File(value)
        outgoing = Outgoing()
        made = anything(value, outgoing, "input")
        return self._with_files(made, outgoing) if outgoing.attachments else made

    def call(self, method: str, path: str, body: Any = None, headers: Optional[Mapping[str, str]] = None) -> Any:
        """Any route of the API, JSON in and out. Raises ApiError."""
        data = None if body is None else json.dumps(body).encode()
        given = {**(headers or {}), **({"Content-Type": "application/json"} if data is not None else {})}
        raw = self.request(method, path, data, given)
        return json.loads(raw) if raw else None

    def fetch(self, url: str) -> bytes:
        """The bytes behind a link of an answer, or in a data URL."""
        if url.startswith("data:"):
            return bytes(urllib.request.urlopen(url).read())
        return self.request("GET", url, None, {})

    def _with_files(self, value: Any, outgoing: Outgoing) -> Any:
        if isinstance(value, dict):
            if "$attachment" not in value:
                return {key: self._with_files(inner, outgoing) for key, inner in value.items()}
            data = bytes(outgoing.attachments[value["$attachment"]])
            name = value.get("name")
            kind = value.get("media_type") or media_type_of(name)
            if len(data) > INLINE_BYTES_MAX:
                return self.upload(File(data, name=name, media_type=kind))
            return f"data:{kind};base64," + base64.b64encode(data).decode()
        if isinstance(value, list):
            return [self._with_files(inner, outgoing) for inner in value]
        return value

    def _table_of(self, table: Any) -> str:
        if isinstance(table, str):
            return f"onstage://datasets/{table}"
        return self.upload(Table(table))

    def _files_of(self, files: Any) -> str:
        """The archive's name on the server; a folder is packed first."""
        if isinstance(files, str) and files.startswith("onstage://"):
            return files
        with packed(files) as archive:
            return self.upload(File(archive))

    def _pages(self, path: Optional[str]) -> Iterator[Dict[str, Any]]:
        while path:
            page = self.call("GET", path)
            yield from page["results"]
            path = page.get("next")

    def _full_name(self, model: str) -> str:
        """`owner/name` of a model; a name alone is looked for, because its owner is the server's to choose."""
        if "/" in model:
            return model
        if model not in self._full_names:
            found = [one["owner"] for one in self._pages("/v1/models?limit=200") if one["name"] == model]
            if len(found) > 1:
                names = ", ".join(f"`{owner}/{model}`" for owner in found)
                raise ValueError(f"the model `{model}` has several owners: write one of {names}")
            if not found:
                raise ApiError(404, {"code": "not_found", "detail": f"There is no model `{model}`."})
            self._full_names[model] = f"{found[0]}/{model}"
        return self._full_names[model]

    def _path(self, model: str) -> str:
        owner, _, name = self._full_name(model).partition("/")
        return f"/v1/models/{urllib.parse.quote(owner)}/{urllib.parse.quote(name)}"

    def request(self, method: str, path: str, data: Optional[bytes], headers: Mapping[str, str]) -> bytes:
        """Bytes in and out; `path` may be a whole address, which gets the token only if it is this server's."""
        url = path if "://" in path else self.url + path
        ours = urllib.parse.urlsplit(url)[:2] == urllib.parse.urlsplit(self.url)[:2]
        sent, secret = {"Accept": "application/json", **headers}, {}
        if self._token and ours:
            # The token is for this server alone; a link may lead elsewhere, and so may an answer.
            secret["Authorization"] = f"Bearer {self._token}"
        if method == "POST":
            # With a key, a request sent twice because the line broke is still done once.
            sent["Idempotency-Key"] = os.urandom(16).hex()
        for attempt in range(1, TRIES_MAX + 1):
            request = urllib.request.Request(url, data, sent, method=method)
            for name, value in secret.items():
                request.add_unredirected_header(name, value)
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt == TRIES_MAX:
                    raise refused(error) from None
                time.sleep(_pause(error.headers.get("Retry-After"), attempt))
            except (http.client.HTTPException, OSError) as error:
                # What breaks off after the request was sent does not come as a `URLError`.
                reason = getattr(error, "reason", error)
                if attempt == TRIES_MAX or isinstance(reason, ConnectionRefusedError):
                    raise ConnectionError(f"`{self.url}` cannot be reached: {reason}") from None
                time.sleep(_pause(None, attempt))
        raise AssertionError("the last try returns or raises")


def _pause(asked: Optional[str], attempt: int) -> float:
    try:
        return min(float(asked or ""), RETRY_SECONDS_MAX)
    except ValueError:
        return min(0.2 * 2.0**attempt, RETRY_SECONDS_MAX)
