"""A running Onstage for scripts: starts `onstage serve`, waits until it answers, calls its verbs, stops it.

Standard library only, Python 3.9 and newer. Knows the command line and the HTTP API, nothing inside.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20


class Stage:
    """One `onstage serve` on a data folder of its own; use it in a `with` block."""

    def __init__(self, binary, data, listen="127.0.0.1:0", environment=None):
        self.binary, self.data, self.listen = str(binary), Path(data), listen
        self.environment = {**os.environ, **(environment or {})}
        self.environment.pop("ONSTAGE_URL", None)
        self.environment.pop("ONSTAGE_TOKEN", None)
        self.environment["ONSTAGE_DATA"] = str(self.data)
        self.process = None
        self.url = self.token = self.login = None

    def __enter__(self):
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "client.json").unlink(missing_ok=True)
        self.log = open(self.data / "serve.log", "w+")
        command = [self.binary, "serve", "--listen", self.listen, "--data", str(self.data)]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, env=self.environment, start_new_session=True
        )
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def printed(self):
        return (self.data / "serve.log").read_text(errors="replace")

    def wait_until_ready(self):
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"error: `onstage serve` ended with code {self.process.returncode}:\n{self.printed()}")
            link = re.search(r"https?://\S+/login\?token=\S+", self.printed())
            try:
                client = json.loads((self.data / "client.json").read_text())
                urllib.request.urlopen(client["url"] + "/readyz", timeout=2).read()
            except (OSError, ValueError, KeyError):
                client = None
            if client and link:
                self.url, self.token, self.login = client["url"], client["token"], link.group()
                return
            time.sleep(0.05)
        raise SystemExit(f"error: `onstage serve` does not answer after {START_SECONDS_MAX} s:\n{self.printed()}")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            print(f"error: `onstage serve` did not stop within {STOP_SECONDS_MAX} s", file=sys.stderr)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def verb(self, *arguments, quiet=True, check=True):
        """Runs `onstage ARGUMENTS` against this server; answers its standard output."""
        done = subprocess.run(
            [self.binary, *map(str, arguments)],
            check=False,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
        )
        if check and done.returncode != 0:
            line = " ".join(map(str, arguments))
            raise SystemExit(f"error: `onstage {line}` ended with {done.returncode}:\n{done.stdout}{done.stderr or ''}")
        return done.stdout

    def json(self, *arguments, **options):
        return json.loads(self.verb(*arguments, "--json", **options))

    def http(self, method, path, body=None, headers=None):
        """One HTTP call with the owner's token; answers (status, parsed JSON or text)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, parsed(error.read())


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
