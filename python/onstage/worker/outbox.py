"""`Outbox`: results on their way to the host; those ready within about a millisecond share a frame.

It must not compute anything; any thread may flush it.
"""

from __future__ import annotations

import threading
from typing import Callable, List, Sequence

from onstage.frames import Buffer
from onstage.worker.channel import Channel

FRAME_BYTES_FULL = 1 << 20


class Outbox:
    def __init__(self, channel: Channel, before: Callable[[], None]) -> None:
        self._channel = channel
        self._before = before
        self._lock = threading.Lock()
        self._items: List[bytes] = []
        self._bytes = 0

    def add(self, item: bytes, attachments: Sequence[Buffer] = ()) -> None:
        """Take one item's JSON object; one with attachments has a frame of its own."""
        if attachments:
            self.flush()
            sizes = b",".join(b"%d" % len(piece) for piece in attachments)
            self._before()
            self._channel.send_header(b'{"t":"result","items":[%b],"attachments":[%b]}' % (item, sizes), attachments)
            return
        with self._lock:
            self._items.append(item)
            self._bytes += len(item)
        if self._bytes >= FRAME_BYTES_FULL:
            self.flush()

    def flush(self) -> None:
        """Send what waits. Lines printed before are in the pipes first."""
        if not self._items:
            return
        with self._lock:
            items, self._items, self._bytes = self._items, [], 0
        if items:
            self._before()
            self._channel.send_header(b'{"t":"result","items":[' + b",".join(items) + b"]}")
