"""A small host for tests: starts a worker as a process and speaks the protocol to it over a real socket.

It must not share code with the runner but the frame codec, which has tests of its own.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from onstage import frames

WAIT_SECONDS_MAX = 30.0
PYTHON_FOLDER = Path(__file__).resolve().parent.parent

Message = Dict[str, Any]


class Host:
    """One worker process and what it has said. Use as a context manager."""

    def __init__(
        self, folder: Path, scratch: Path, command: Optional[Sequence[str]] = None, entry: str = "model.py"
    ) -> None:
        self.messages: List[Message] = []
        self.lines: Dict[str, List[bytes]] = {"stdout": [], "stderr": []}
        self.closed = False
        self._said = threading.Condition()
        self._ids = itertools.count(1)
        self.answer_state: Callable[[Message], Dict[str, Any]] = lambda message: {"value": None}
        self.answers: Dict[str, Any] = {}
        """What is answered to `checkpoint` and `dataset`: fields, or what makes them out of the message."""
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        address = os.path.relpath(scratch / "worker.sock") if len(str(scratch)) > 90 else str(scratch / "worker.sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen(1)
        listener.settimeout(WAIT_SECONDS_MAX)
        environment = {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER), "ONSTAGE_SOCKET": os.path.abspath(address)}
        environment.update(ONSTAGE_PROTOCOL="1", ONSTAGE_ENTRY=entry, ONSTAGE_WORKER="test")
        self.process: Any = self._launch(folder, command or [sys.executable, "-m", "onstage.worker"], environment)
        self._threads = [self._thread(self._drain, name) for name in ("stdout", "stderr")]
        try:
            self._sock = listener.accept()[0]
        finally:
            listener.close()
        self._threads.append(self._thread(self._read))
        self.hello = self.wait("hello")

    def _launch(self, folder: Path, command: Sequence[str], environment: Dict[str, str]) -> Any:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: Any) -> None:
        self.hang_up()
        try:
            self.process.wait(WAIT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(WAIT_SECONDS_MAX)
        self._sock.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def send(self, message: Message, attachments: Sequence[bytes] = ()) -> None:
        self._sock.sendall(frames.encode(message, attachments))

    def hang_up(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def describe(self) -> Message:
        self.send({"t": "describe"})
        return self.wait("schema", "failed")

    def setup(self, **fields: Any) -> Message:
        tempdir = self.scratch / "temp"
        tempdir.mkdir(exist_ok=True)
        self.send({"t": "setup", "weights": None, "tempdir": str(tempdir), "seed": 1, **fields})
        return self.wait("ready", "failed")

    def begin(self, *inputs: Any, attachments: Sequence[bytes] = (), **fields: Any) -> List[int]:
        """Send one microbatch and return its ids."""
        ids = [next(self._ids) for _ in inputs]
        items = [
            {"id": number, "input": given, "seed": 7, "deadline_ms": None, **fields}
            for number, given in zip(ids, inputs)
        ]
        self.send({"t": "predict", "items": items}, attachments)
        return ids

    def predict(self, *inputs: Any, attachments: Sequence[bytes] = (), **fields: Any) -> List[Message]:
        """One microbatch and its results, in the order of the inputs."""
        return [self.result(number) for number in self.begin(*inputs, attachments=attachments, **fields)]

    def one(self, **given: Any) -> Any:
        """The output of one prediction; its error is a failed assertion."""
        result = self.predict(given)[0]
        assert "error" not in result, result["error"]
        return result["output"]

    def error(self, **given: Any) -> Message:
        result = self.predict(given)[0]
        assert "error" in result, result
        return result["error"]

    def result(self, number: int) -> Message:
        def find() -> Optional[Message]:
            for message in self.messages:
                for item in message.get("items", ()) if message["t"] == "result" else ():
                    if item["id"] == number:
                        return {**item, "attachments": message["attachments"]}
            return None

        return self.until(find, f"a result for item {number}")

    def wait(self, *names: str) -> Message:
        """The first message of one of these names that has not been waited for yet."""

        def find() -> Optional[Message]:
            for message in self.messages:
                if message["t"] in names and not message.get("seen"):
                    message["seen"] = True
                    return message
            return None

        return self.until(find, " or ".join(names))

    def until(self, find: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        with self._said:
            while True:
                found = find()
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or (self.closed and self.process.poll() is not None and not self._pending()):
                    raise AssertionError(f"no {what}; said {self._told()}; printed {self.lines}")
                self._said.wait(min(left, 0.2))

    def all(self, name: str) -> List[Message]:
        return [message for message in list(self.messages) if message["t"] == name]

    def printed(self, text: bytes, stream: str = "stdout") -> List[bytes]:
        """Wait until a line is printed; all lines so far."""
        return self.until(lambda: text in self.lines[stream] and list(self.lines[stream]), f"line {text!r}")

    def exit(self) -> int:
        self.send({"t": "exit"})
        return self.process.wait(WAIT_SECONDS_MAX)

    def _pending(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _told(self) -> List[str]:
        return [str({key: value for key, value in one.items() if key != "attachments"})[:300] for one in self.messages]

    def _thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        return thread

    def _drain(self, name: str) -> None:
        for line in getattr(self.process, name):
            with self._said:
                self.lines[name].append(line.rstrip(b"\n"))
                self._said.notify_all()

    def _read(self) -> None:
        held = bytearray()
        while True:
            try:
                data = self._sock.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                break
            held += data
            self._take_all(held)
        with self._said:
            self.closed = True
            self._said.notify_all()

    def _take_all(self, held: bytearray) -> None:
        while len(held) >= 4 and len(held) >= 4 + frames.frame_bytes(held):
            end = 4 + frames.frame_bytes(held)
            header, attachments = frames.decode(bytes(held[4:end]))
            del held[:end]
            if header["t"] == "state":
                self.send({"t": "state", "request": header["request"], **self.answer_state(header)})
            if header["t"] in ("checkpoint", "dataset"):
                answer = self.answers.get(header["t"], {})
                fields = answer(header) if callable(answer) else answer
                self.send({"t": header["t"], "request": header["request"], **fields})
            with self._said:
                self.messages.append({**header, "attachments": [bytes(one) for one in attachments]})
                self._said.notify_all()


def lines_by_item(lines: Sequence[bytes]) -> List[Tuple[Optional[int], bytes]]:
    """Printed lines with the item that the marks before them name."""
    item: Optional[int] = None
    found = []
    for line in lines:
        if line.startswith(b"\x1e"):
            item = int(line[1:]) if line[1:] else None
        else:
            found.append((item, line))
    return found
