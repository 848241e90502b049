"""A template: a process that has imported the author's module, or also set it up, and that workers are forked from.

It has one thread, waits without waking, and ends when the host hangs up. It must not compute predictions.
"""

from __future__ import annotations

import gc
import os
import socket
import struct
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from onstage.ctx import Ctx
from onstage.frames import decode, encode
from onstage.worker import birth, census, start
from onstage.worker.channel import leave
from onstage.worker.compute import WEIGHTS
from onstage.worker.interrupt import Interrupt
from onstage.worker.model import Model
from onstage.worker.prints import Output
from onstage.worker.stage import WorkerStage

READ_BYTES = 64 << 10
OUTPUTS = 2

Message = Dict[str, Any]


class Line:
    """The socket to the host. One message at a time, answered before the next."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, message: Message) -> None:
        try:
            self.sock.sendall(encode(message))
        except ConnectionError:
            leave()

    def receive(self) -> Tuple[Message, List[int]]:
        """The next message and the files that came with it. Ends the process when the host has hung up."""
        held, files = b"", []
        while len(held) < 4 or len(held) < 4 + struct.unpack_from("<I", held)[0]:
            try:
                read, more, _, _ = socket.recv_fds(self.sock, READ_BYTES, OUTPUTS)
            except ConnectionError:
                leave()
            if not read:
                leave()
            held += read
            files += more
        return decode(held[4:])[0], files


class NoState:
    """App state is asked for by set-up: answered as the host answers a worker that is not ready."""

    def ask(self, message: Message) -> NoReturn:
        why = "app state is there for predictions, not for setup"
        raise RuntimeError(f"app state, `{message['op']}` of `{message['key']}`: {why}")


class Template:
    def __init__(self, line: Line, model: Model) -> None:
        self._line = line
        self._output = Output()
        self._interrupt = Interrupt()
        self._interrupt.install()
        self.model = model
        self.stage: Optional[WorkerStage] = None

    def serve(self) -> Output:
        """Answers the host. Returns in every worker, when it may begin: forked, or this very process."""
        while True:
            message, files = self._line.receive()
            if message["t"] == "prepare":
                self._line.send(self._prepare(message))
            elif message["t"] == "fork" and self._fork(message, files):
                birth.reseed()
                break
            elif message["t"] == "serve":
                break
        self._line.sock.close()
        birth.settle(message["variables"])
        return self._output

    def _prepare(self, message: Message) -> Message:
        try:
            if message["share"] == "setup":
                self._set_up(message)
            else:
                self.model.imported()
        except BaseException:
            # The model remembers; the worker tells, as one that has failed by itself.
            pass
        self._output.end_item()
        self._output.flush()
        # The collector must not write into what all workers share.
        gc.collect()
        gc.freeze()
        obstacle = census.obstacle(self._line.sock.fileno())
        return {"t": "prepared", "failed": self.model.failed, "obstacle": obstacle}

    def _set_up(self, message: Message) -> None:
        weights = message.get("weights")
        WEIGHTS.path = Path(weights) if weights else None
        self.stage = WorkerStage(self._line, self._interrupt, NoState(), [], Path(message["tempdir"]))
        self.model.set_up(Ctx(stage=self.stage, seed=message.get("seed") or 0, weights=WEIGHTS.path))

    def _fork(self, message: Message, output: List[int]) -> bool:
        """True in the worker."""
        # What is held back now would be written by both.
        self._output.flush()
        try:
            pid = birth.fork(message["host"], output)
        except birth.NotBorn as error:
            self._line.send({"t": "failed", "error": str(error)})
            return False
        if pid is None:
            return True
        self._line.send({"t": "forked", "pid": pid})
        return False


def main() -> int:
    """Be a template as the environment says; in each worker that comes of it, be that worker."""
    entry_file = start.enter()
    sock = start.open_line()
    if sock is None:
        return 2
    template = Template(Line(sock), Model(entry_file))
    output = template.serve()
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    own.connect(os.environ["ONSTAGE_SOCKET"])
    worker = start.Worker(own, template.model, output)
    if template.stage is not None:
        worker.adopt(template.stage)
    worker.serve()
    start.end()
    return 0
