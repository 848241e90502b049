"""`Channel`: the socket to the host; any thread may send, one at a time holds the role of reading.

The main thread reads while it is idle, so a short prediction needs no switch of threads. While it computes, the
watcher reads in its place. It must not know what messages mean: `receive` is called with each.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from onstage.frames import Buffer, ProtocolError, decode, dumps, frame_bytes, header_bytes, pack, split_header

READ_BYTES = 256 << 10
JOINED_BYTES_MAX = 256 << 10

LENGTHS_BYTES = 8
PATH = b'"$path"'

Received = Tuple[Dict[str, Any], List[memoryview], bool]
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
        self.writable = True
        """Whether large attachments must be buffers that can be written to: arrays over them are the author's."""
        self._expects_large = False

    def pending(self) -> bool:
        """Whether a whole frame is here already."""
        return len(self._held) >= 4 and len(self._held) >= 4 + frame_bytes(self._held)

    def next(self) -> Received:
        """The next frame's header, attachments and whether it mentions files; waits for it. Raises Closed."""
        held = self._held
        while len(held) < LENGTHS_BYTES:
            # After a large frame only the lengths are read: what follows then goes straight to its place.
            held += self._exactly(LENGTHS_BYTES - len(held)) if self._expects_large else self._read()
        end = 4 + frame_bytes(held)
        self._expects_large = end > READ_BYTES
        if self._expects_large and len(held) < end:
            self._held = b""
            return self._large(held, end)
        while len(held) < end:
            held += self._read()
        self._held = held[end:]
        body = held[4:end]
        header, attachments = decode(body)
        return header, attachments, bool(attachments) or PATH in body

    def _large(self, held: bytes, end: int) -> Received:
        """Each attachment is read into a buffer of its own, so that nobody needs to copy it again."""
        begin = LENGTHS_BYTES + header_bytes(held, end)
        if len(held) < begin:
            held += self._exactly(begin - len(held))
        raw = held[LENGTHS_BYTES:begin]
        header, sizes = split_header(raw, end - begin)
        rest = held[begin:]
        attachments = []
        for size in sizes:
            attachments.append(self._attachment(rest[:size], size))
            rest = rest[size:]
        return header, attachments, bool(attachments) or PATH in raw

    def _attachment(self, held: bytes, size: int) -> memoryview:
        if len(held) == size or not self.writable:
            return memoryview(held + self._exactly(size - len(held)) if held else self._exactly(size))
        whole = memoryview(bytearray(size))
        whole[: len(held)] = held
        at = len(held)
        while at < size:
            try:
                count = self._sock.recv_into(whole[at:])
            except ConnectionError:
                raise Closed from None
            if count == 0:
                raise Closed
            at += count
        return whole

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            try:
                piece = self._sock.recv(size, socket.MSG_WAITALL)
            except ConnectionError:
                raise Closed from None
            if not piece:
                raise Closed
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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

    def only_reads(self) -> None:
        """From now on nobody writes into attachments."""
        self._source.writable = False

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
            header, attachments, mentions_files = self._source.next()
        except Closed:
            leave()
        except ProtocolError as error:
            leave(f"onstage worker: the host broke the protocol: {error}\n", 1)
        self._receive(header, attachments, mentions_files)

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
