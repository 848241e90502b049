"""Frames from a socket, in any sizes and pieces: the same as whole ones, without copies of what is large."""

import random
import socket
import threading

import pytest

import onstage as on
from onstage import frames
from onstage.worker.channel import READ_BYTES, Closed, FrameSource

LARGE = READ_BYTES + 1


def sent(data, piece=None):
    """A source at the other end of a socket through which `data` comes, cut into pieces."""
    ours, theirs = socket.socketpair()

    def send():
        with theirs:
            for at in range(0, len(data), piece or len(data)):
                theirs.sendall(data[at : at + (piece or len(data))])

    threading.Thread(target=send, daemon=True).start()
    return FrameSource(ours)


def talk(seed):
    chance = random.Random(seed)
    sizes = [[], [0], [5], [LARGE], [70_000, LARGE, 3], [100_000, 0, 100_000, 100_000], [LARGE, LARGE]]
    for number, some in enumerate(chance.choices(sizes, k=12)):
        text = "x" * chance.choice([0, 10, 5_000, LARGE])
        yield {"t": "predict", "n": number, "text": text}, [chance.randbytes(size) for size in some]


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("piece", [None, 7_001, 65_536])
def test_every_frame_comes_as_it_was_sent(writable, piece):
    for seed in range(5):
        told = list(talk(seed))
        source = sent(b"".join(frames.encode(header, attachments) for header, attachments in told), piece)
        source.writable = writable
        for header, attachments in told:
            got, pieces, mentions_files = source.next()
            assert (got, [bytes(one) for one in pieces]) == (header, attachments)
            assert mentions_files == bool(attachments)
        with pytest.raises(Closed):
            source.next()


def test_large_attachments_are_writable_or_are_not_copied():
    frame = frames.encode({"t": "predict"}, [bytes(LARGE)]) * 2
    source = sent(frame)
    source.next()
    assert not source.next()[1][0].readonly
    source = sent(frame)
    source.writable = False
    source.next()
    piece = source.next()[1][0]
    assert type(piece.obj) is bytes
    assert on.File(piece).bytes() is piece.obj
    # A part of something larger is a copy of that part.
    assert on.File(memoryview(b"abc")[:2]).bytes() == b"ab"


def test_a_path_is_seen_in_a_large_frame():
    assert sent(frames.encode({"t": "predict", "a": {"$path": "/x"}, "b": "x" * LARGE})).next()[2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda header, size: header.replace(str(size).encode(), str(size - 1).encode()),
        lambda header, size: header.replace(b"attachments", b"attached___"),
        lambda header, size: header.replace(str(size).encode(), b"-" + str(size).encode()[1:]),
        lambda header, size: header[:-1] + b" ",
    ],
)
def test_a_large_frame_that_breaks_the_protocol_is_refused(damage):
    header, attachment = frames.pack(frames.dumps({"t": "predict", "attachments": [LARGE]}).encode(), [bytes(LARGE)])
    with pytest.raises(frames.ProtocolError):
        sent(damage(header, LARGE) + attachment).next()
