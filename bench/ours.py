"""Onstage as one of the measured: a data folder with what was pushed, requests with a token, its own gauges."""

import http.client
import json
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from load import Ask
from serving import Serving, free_port, started
from world import OURS

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "bench" / "models"
sys.path.insert(0, str(ROOT / "scripts"))

from stage import Stage  # noqa: E402


class House:
    """One data folder with models in it, and the token that opens it."""

    def __init__(self, world, name, models):
        self.world, self.data = world, world.folder / name
        self.environment = {"BENCH_ARRAY": str(world.array)}
        with self.stage() as stage:
            self.token = stage.json("token", "create", "--name", "bench")["token"]
            for model in models:
                stage.verb("push", MODELS / model)

    def stage(self):
        return Stage(self.world.onstage, self.data, environment=self.environment)

    @contextmanager
    def serving(self, ask, name=OURS, seconds_max=60):
        """A context in which it serves, from nothing to the first answer."""
        port = free_port()
        command = [self.world.onstage, "serve", "--listen", f"127.0.0.1:{port}", "--data", self.data]
        with started(
            name,
            command,
            f"127.0.0.1:{port}",
            self.signed(ask),
            self.world.folder,
            environment={**self.environment, "ONSTAGE_LOG": "warn"},
            seconds_max=seconds_max,
            may_freeze=False,
        ) as serving:
            yield serving

    def signed(self, ask):
        """The same request with the token."""
        headers = {**ask.headers, "Authorization": f"Bearer {self.token}"}
        return Ask(ask.path, ask.body, headers, ask.expect, ask.method)

    def also(self, serving, ask, name):
        """Another model of the same server."""
        return Serving(name, serving.process, serving.address, self.signed(ask), may_freeze=False)

    def remove(self):
        shutil.rmtree(self.data, ignore_errors=True)


def asks(model, value=7):
    """A prediction of a model whose input is a number."""
    body = json.dumps({"input": {"x": value}}).encode()
    return Ask(f"/v1/models/lab/{model}/predictions", body, expect='"status":"succeeded"')


class Gauges:
    """Reads `/metrics` on one connection, so that it can be done often."""

    def __init__(self, house, serving):
        host, port = serving.address.split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=10)
        self.headers = {"Authorization": f"Bearer {house.token}"}

    def workers(self, model):
        """How many workers a model has, by state."""
        self.connection.request("GET", "/metrics", headers=self.headers)
        text = self.connection.getresponse().read().decode()
        found = re.findall(rf'^onstage_workers\{{model="lab/{model}",[^}}]*state="(\w+)"[^}}]*\}} (\d+)', text, re.M)
        counts = {}
        for state, count in found:
            counts[state] = counts.get(state, 0) + int(count)
        return counts

    def close(self):
        self.connection.close()
