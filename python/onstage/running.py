"""What the client gives for work on the server: a prediction, batch job or training, and a schedule that makes them.

It must not know routes beyond the links that records bring, nor how a request travels.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

if TYPE_CHECKING:
    from onstage.client import Client

WAIT_SECONDS_MAX = 20
FINAL = ("succeeded", "failed", "canceled")


class PredictionFailed(Exception):
    """A prediction or batch job ended without an answer; `record` is what the server keeps of it."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = dict(record)
        super().__init__(str(record.get("error") or record.get("reason") or record.get("status")))


class Running:
    """A prediction, batch job or training on the server."""

    def __init__(self, client: Client, record: Dict[str, Any]) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def output(self) -> Any:
        return self.record.get("output")

    def refresh(self, wait: int = 0) -> Running:
        """Ask again; `wait` seconds for it to end."""
        url = self.record["urls"]["get"]
        self.record = self._client.call("GET", url + (f"?wait={wait}" if wait else ""))
        return self

    def wait(self, timeout: Optional[float] = None) -> Running:
        """Wait until it has ended. Raises PredictionFailed or TimeoutError."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.status not in FINAL:
            left = WAIT_SECONDS_MAX if until is None else until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"`{self.id}` is still {self.status}")
            self.refresh(max(1, min(WAIT_SECONDS_MAX, int(left))))
        if self.status != "succeeded":
            raise PredictionFailed(self.record)
        return self

    def cancel(self) -> Running:
        self.record = self._client.call("POST", self.record["urls"]["cancel"])
        return self

    def result(self) -> bytes:
        """The table that a batch job has made."""
        return self._client.fetch(self.record["urls"]["result"])

    def __repr__(self) -> str:
        return f"<onstage run {self.id} {self.status}>"


class Schedule:
    """A job that the server makes again at every tick."""

    def __init__(self, client: Client, record: Dict[str, Any]) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def next_at(self) -> Optional[str]:
        """The time of the next tick; None while it is paused."""
        at: Optional[str] = self.record["next_at"]
        return at

    def refresh(self) -> Schedule:
        return self._now(self._client.call("GET", self._path()))

    def pause(self) -> Schedule:
        """No ticks until it is resumed."""
        return self.change(paused=True)

    def resume(self) -> Schedule:
        """Ticks again, from the next one on; those that passed are not made up for."""
        return self.change(paused=False)

    def change(self, **fields: Any) -> Schedule:
        """Another time or request: `cron`, `timezone`, `every`, `version`, `request`, `catch_up`, `overlap`."""
        return self._now(self._client.call("PATCH", self._path(), fields))

    def run(self) -> Running:
        """Make its job now, beside its ticks; `.wait()` waits for it."""
        self._now(self._client.call("POST", f"{self._path()}/run"))
        return self._job(self.record["urls"]["last_job"])

    def last_job(self) -> Optional[Running]:
        """The job of the last tick that made one, as far as this record knows; `refresh` asks again."""
        link = self.record["urls"].get("last_job")
        return self._job(link) if link else None

    def remove(self) -> None:
        """No more ticks; the jobs that it made stay."""
        self._client.call("DELETE", self._path())

    def _path(self) -> str:
        return str(self.record["urls"]["get"])

    def _job(self, link: str) -> Running:
        job = self._client.call("GET", link)
        return Running(self._client, self._client.call("GET", job["urls"]["record"]))

    def _now(self, record: Dict[str, Any]) -> Schedule:
        self.record = record
        return self

    def __repr__(self) -> str:
        return f"<onstage schedule {self.id} {self.record['said']}>"
