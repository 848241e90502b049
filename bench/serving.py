"""A server under measurement: asked until it answers, frozen while others are measured, ended whole."""

import http.client
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import machine

LOOK_EVERY = 0.005


class CannotStartError(Exception):
    """Why a server does not answer."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def once(address, ask, timeout=60):
    """One request on a connection of its own; answers (status, body)."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(ask.method, ask.path, body=ask.body, headers=ask.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Serving:
    """A server that runs. Can be frozen: then it takes no time from others."""

    def __init__(self, name, process, address, ask, log=None, may_freeze=True):
        self.name, self.process, self.address, self.ask, self.log = name, process, address, ask, log
        self.may_freeze = may_freeze
        self.frozen = []

    @property
    def pid(self):
        return self.process.pid

    def freeze(self):
        if self.may_freeze and not self.frozen:
            self.frozen = machine.tree(self.pid)
            machine.send(self.frozen, signal.SIGSTOP)

    def thaw(self):
        machine.send(self.frozen, signal.SIGCONT)
        self.frozen = []

    def answers(self):
        """Whether it gives the right answer now."""
        try:
            status, body = once(self.address, self.ask)
        except (OSError, http.client.HTTPException):
            return False
        return 200 <= status < 300 and self.ask.expect.encode() in body

    def wait_for_answer(self, seconds_max):
        """Seconds until the first right answer. Errors: `CannotStartError` with the end of its log."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds_max:
            if self.process.poll() is not None:
                raise CannotStartError(f"it ended with code {self.process.returncode}: {self.printed()}")
            if self.answers():
                return time.monotonic() - begun
            time.sleep(LOOK_EVERY)
        raise CannotStartError(f"no right answer within {seconds_max} s: {self.printed()}")

    def printed(self):
        if self.log is None:
            return ""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-400:]


@contextmanager
def started(name, command, address, ask, folder, environment=None, seconds_max=60, cwd=None, may_freeze=True):
    """A server that has given its first right answer; `first_answer_s` says how long that took."""
    with open(folder / f"{name}.log", "w+b") as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            cwd=cwd,
        )
        serving = Serving(name, process, address, ask, log, may_freeze)
        try:
            serving.wait_for_answer(seconds_max)
            serving.first_answer_s = time.monotonic() - begun
            yield serving
        finally:
            machine.end_tree(process)
