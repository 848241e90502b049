"""`Channel`: the socket to the host; any thread may send, one at a time holds the role of reading.

The main thread reads while it is idle, so a short prediction needs no switch of threads. While it computes, the
watcher reads in its place. It must not know what messages mean: `receive` is called with each.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from onstage.frames import Buffer, ProtocolError, decode, dumps, frame_bytes, pack

READ_BYTES = 256 << 10
JOINED_BYTES_MAX = 256 << 10

Receive = Callable[[Dict[str, Any], List[memoryview], bool], None]


class Closed(Exception):
    """The host is gone."""


class FrameSource:
    """Whole frames from a stream socket. Only the holder of the reading role may use it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = b""
        # `recv` would allocate its whole limit for every small frame; this space is used again and again.
        self._space = memoryview(bytearray(READ_BYTES))

    def pending(self) -> bool:
        """Whether a whole frame is here already."""
        return len(self._held) >= 4 and len(self._held) >= 4 + frame_bytes(self._held)

    def next(self) -> Union[bytes, bytearray]:
        """The next frame's bytes after its length field; waits for it. Raises Closed."""
        held = self._held
        while len(held) < 4:
            held += self._read()
        end = 4 + frame_bytes(held)
        if end > READ_BYTES and len(held) < end:
            self._held = b""
            return self._large(held, end)
        while len(held) < end:
            held += self._read()
        self._held = held[end:]
        return held[4:end]

    def _large(self, held: bytes, end: int) -> bytearray:
        """A frame read straight into its place, so that it is not copied again and again while it grows."""
        body = bytearray(end - 4)
        at = len(held) - 4
        body[:at] = held[4:]
        view = memoryview(body)
        while at < len(body):
            try:
                count = self._sock.recv_into(view[at:])
            except ConnectionError:
                raise Closed from None
            if count == 0:
                raise Closed
            at += count
        return body

    def _read(self) -> bytes:
        try:
            count = self._sock.recv_into(self._space)
        except ConnectionError:
            raise Closed from None
        if not count:
            raise Closed
        return bytes(self._space[:count])


class Channel:
    """Sends frames from any thread and passes received ones to `receive`; ends the process when the host is gone."""

    def __init__(self, sock: socket.socket, receive: Receive) -> None:
        self._sock = sock
        self._source = FrameSource(sock)
        self._receive = receive
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._waiters = 0
        self._forked = False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN | select.POLLHUP)
        os.register_at_fork(after_in_child=self._forget)

    def send(self, message: Dict[str, Any], attachments: Sequence[Buffer] = ()) -> None:
        """Send one message. Raises ValueError or TypeError for what JSON cannot hold."""
        if attachments:
            message = {**message, "attachments": [len(piece) for piece in attachments]}
        self.send_header(dumps(message).encode(), attachments)

    def send_header(self, header: bytes, attachments: Sequence[Buffer] = ()) -> None:
        """Send a header that already names its attachment sizes."""
        pieces = pack(header, attachments)
        if self._forked:
            raise RuntimeError("this is a forked process: only the worker itself can use `ctx`")
        try:
            with self._sending:
                if len(pieces) > 1 and sum(map(len, pieces)) <= JOINED_BYTES_MAX:
                    self._sock.sendall(b"".join(pieces))
                else:
                    for piece in pieces:
                        self._sock.sendall(piece)
        except ConnectionError:
            leave()

    def pump(self, ready: Callable[[], Any]) -> None:
        """Wait until `ready()`, reading for everybody while nobody else does."""
        while not ready():
            if self._reading.acquire(False):
                try:
                    if not ready():
                        self._read_one()
                finally:
                    self._release()
            else:
                self._wait(ready)

    def cover(self, needed: Callable[[], bool], tick_ms: int) -> None:
        """Read in the main thread's place while `needed()`, looking every `tick_ms`."""
        if not self._reading.acquire(False):
            return
        try:
            while needed():
                if self._source.pending() or self._poll.poll(tick_ms):
                    self._read_one()
                    self._notify()
        finally:
            self._release()

    def _wait(self, ready: Callable[[], Any]) -> None:
        with self._changed:
            self._waiters += 1
            try:
                # Checked after the count is raised, so a release that saw no waiter is seen here.
                if not ready() and self._reading.locked():
                    self._changed.wait()
            finally:
                self._waiters -= 1

    def _release(self) -> None:
        self._reading.release()
        self._notify()

    def _notify(self) -> None:
        if self._waiters:
            with self._changed:
                self._changed.notify_all()

    def _read_one(self) -> None:
        try:
            body = self._source.next()
            header, attachments = decode(body)
        except Closed:
            leave()
        except ProtocolError as error:
            leave(f"onstage worker: the host broke the protocol: {error}\n", 1)
        self._receive(header, attachments, bool(attachments) or b'"$path"' in body)

    def _forget(self) -> None:
        """In a forked child: the host must see this worker's death, so no child may hold the socket open."""
        self._forked = True
        try:
            self._sock.close()
        except OSError:
            pass


def leave(message: Optional[str] = None, code: int = 0) -> None:
    """End the process at once, whatever the author's code is doing."""
    if message:
        os.write(2, message.encode())
    os._exit(code)
