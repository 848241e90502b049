"""A small host of templates for tests: has workers forked and is their parent, as the real one is. Linux only.

It must not share code with the runner but the frame codec.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from host import PYTHON_FOLDER, WAIT_SECONDS_MAX, Host, Message
from onstage import frames

PR_SET_CHILD_SUBREAPER = 36
RUN = "import sys; sys.path[:1] = []; from onstage.template import main; sys.exit(main())"


class Template:
    """One template process. Use as a context manager."""

    def __init__(self, folder: Path, scratch: Path, **variables: str) -> None:
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        scratch.mkdir(parents=True, exist_ok=True)
        self.folder, self.scratch, self.logs = folder, scratch, []
        self.workers: List[Forked] = []
        path = str(scratch / "template.sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(WAIT_SECONDS_MAX)
        environment = {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER), "ONSTAGE_SOCKET": path, **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN], cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.sock = listener.accept()[0]
        self.sock.settimeout(WAIT_SECONDS_MAX)
        listener.close()

    def __enter__(self) -> Template:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in self.workers:
            worker.__exit__()
        self.sock.close()
        assert self.process.wait(WAIT_SECONDS_MAX) == 0

    def prepare(self, share: str = "import") -> Message:
        message = {"t": "prepare", "share": share, "weights": None, "tempdir": str(self.scratch), "seed": 1}
        self.sock.sendall(frames.encode(message))
        return self.hear()

    def hear(self) -> Message:
        while True:
            size = struct.unpack("<I", self._exactly(4))[0]
            message = frames.decode(self._exactly(size))[0]
            if message["t"] != "log":
                return message
            self.logs.append(message["text"])

    def _exactly(self, size: int) -> bytes:
        held = b""
        while len(held) < size:
            read = self.sock.recv(size - len(held))
            assert read, "the template has hung up"
            held += read
        return held

    def fork(self, **variables: str) -> Forked:
        """A forked worker that has said hello."""
        self.workers.append(Forked(self, self.scratch / f"worker{len(self.workers)}", variables))
        return self.workers[-1]


class Forked(Host):
    """A worker that a template has forked."""

    def __init__(self, template: Template, scratch: Path, variables: Dict[str, str]) -> None:
        self._template, self._variables = template, variables
        super().__init__(template.folder, scratch)

    def _launch(self, folder: Path, command: Sequence[str], environment: Dict[str, str]) -> Any:
        (stdout, stdout_end), (stderr, stderr_end) = os.pipe(), os.pipe()
        (life, life_end), (end, end_end) = os.pipe(), os.pipe()
        own = {name: environment[name] for name in ("ONSTAGE_SOCKET", "ONSTAGE_WORKER")}
        message = {"t": "fork", "variables": {**own, **self._variables}}
        theirs = [stdout_end, stderr_end, life, end_end]
        socket.send_fds(self._template.sock, [frames.encode(message)], theirs)
        for number in theirs:
            os.close(number)
        answer = self._template.hear()
        assert answer["t"] == "forked", answer
        return Child(answer["pid"], stdout, stderr, life_end, end)

    def __exit__(self, *_: Any) -> None:
        super().__exit__()
        self.process.close()


class Child:
    """What a test needs of `Popen`, for a worker whose template tells how it ended."""

    def __init__(self, pid: int, stdout: int, stderr: int, life: int, end: int) -> None:
        self.pid, self.returncode = pid, None
        self.stdout, self.stderr = open(stdout, "rb"), open(stderr, "rb")
        self._life, self._end = life, end

    def poll(self) -> Optional[int]:
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            told = os.read(self._end, 4)
            if told:
                self.returncode = os.waitstatus_to_exitcode(struct.unpack("<i", told)[0])
            elif os.waitpid(self.pid, os.WNOHANG)[0]:
                # Its template is gone, so that it is our own child now.
                self.returncode = 0
            if self.returncode is not None:
                os.close(self._end)
        return self.returncode

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("forked worker", seconds)
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, 9)

    def close(self) -> None:
        """As the end of the host: what the kernel does to a worker then."""
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
