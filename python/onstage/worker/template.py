"""A template: a process that has imported the author's module, or also set it up, and that workers are forked from.

It has one thread, waits without waking, and ends when the host hangs up. It must not compute predictions.
"""

from __future__ import annotations

import gc
import os
import select
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
FILES = len(birth.Files._fields)

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
                read, more, _, _ = socket.recv_fds(self.sock, READ_BYTES, FILES, socket.MSG_CMSG_CLOEXEC)
            except ConnectionError:
                leave()
            if not read:
                leave()
            held += read
            files += more
        return decode(held[4:])[0], files


class Children:
    """The workers that were forked: each end is told to the host, and reaped only when the host has heard it.

    Until then nobody else gets its pid, by which the host ends what is left of it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._running: Dict[int, Tuple[int, int]] = {}
        """By the file that tells of its end: its pid, and where the end is told."""
        self._ended: Dict[int, int] = {}
        """By where the end was told: its pid."""

    def add(self, pid: int, end: int) -> None:
        watched = os.pidfd_open(pid)
        self._running[watched] = (pid, end)
        self._poll.register(watched, select.POLLIN)

    def files(self) -> List[int]:
        """All that a worker must not keep: an end that it held would never be seen."""
        return [*self._running, *(end for _, end in self._running.values()), *self._ended]

    def wait_for_host(self) -> None:
        """Returns when there is something to read from the host."""
        while True:
            ready = [number for number, _ in self._poll.poll()]
            for number in ready:
                if number in self._running:
                    self._tell(number)
                elif number in self._ended:
                    self._reap(number)
            if self._sock.fileno() in ready:
                return

    def _tell(self, watched: int) -> None:
        pid, end = self._running.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        told = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        status = 0
        if told is not None:
            status = told.si_status << 8 if told.si_code == os.CLD_EXITED else told.si_status
        self._ended[end] = pid
        try:
            os.write(end, struct.pack("<i", status))
        except OSError:
            return self._reap(end)
        # No event is asked for: that the host has closed the other end is told anyway.
        self._poll.register(end, 0)

    def _reap(self, end: int) -> None:
        pid = self._ended.pop(end)
        try:
            self._poll.unregister(end)
        except KeyError:
            pass
        os.close(end)
        os.waitpid(pid, 0)


class NoState:
    """App state is asked for by set-up: answered as the host answers a worker that is not ready."""

    def ask(self, message: Message) -> NoReturn:
        why = "app state is there for predictions, not for setup"
        raise RuntimeError(f"app state, `{message['op']}` of `{message['key']}`: {why}")

    def request(self, message: Message) -> NoReturn:
        raise RuntimeError("set-up can ask nothing of the host")


class Template:
    def __init__(self, line: Line, model: Model) -> None:
        self._line = line
        self._output = Output()
        self._interrupt = Interrupt()
        self._interrupt.install()
        self._children = Children(line.sock)
        self.model = model
        self.stage: Optional[WorkerStage] = None

    def serve(self) -> Output:
        """Answers the host. Returns in every worker, when it may begin: forked, or this very process."""
        while True:
            self._children.wait_for_host()
            message, files = self._line.receive()
            if message["t"] == "prepare":
                self._line.send(self._prepare(message))
            elif message["t"] == "fork" and self._fork(birth.Files(*files)):
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

    def _fork(self, files: birth.Files) -> bool:
        """True in the worker."""
        # What is held back now would be written by both.
        self._output.flush()
        try:
            pid = birth.fork(files, self._children.files())
            if pid is None:
                return True
            for number in (files.stdout, files.stderr, files.life):
                os.close(number)
            self._children.add(pid, files.end)
        except (birth.NotBorn, OSError) as error:
            # Whoever reads from them would wait for a worker that is none.
            for number in files:
                os.close(number)
            self._line.send({"t": "failed", "error": str(error)})
            return False
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
