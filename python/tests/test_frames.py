"""The Python codec against the golden frames, both ways; the Rust codec is tested against the same files.

It must not write golden frames.
"""

from __future__ import annotations

import json

import pytest

import make_frames
from onstage import frames

FOLDER = make_frames.FOLDER
NAMES = sorted(path.stem for path in FOLDER.glob("*.bin"))
GOOD = [name for name in NAMES if not name.startswith("bad-")]
BAD = [name for name in NAMES if name.startswith("bad-")]


def test_the_files_are_what_the_script_writes():
    made = make_frames.files()
    assert sorted(made) == sorted(path.name for path in FOLDER.iterdir())
    for name, data in made.items():
        assert (FOLDER / name).read_bytes() == data, name


@pytest.mark.parametrize("name", GOOD)
def test_decodes_to_its_json_and_encodes_to_its_bytes(name):
    whole = (FOLDER / f"{name}.bin").read_bytes()
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    header, attachments, used = frames.take(whole)
    assert used == len(whole)
    assert header == expected["header"]
    assert [bytes(one).hex() for one in attachments] == expected["attachments_hex"]
    assert frames.encode(header, attachments) == whole


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    with pytest.raises(frames.ProtocolError):
        taken = frames.take((FOLDER / f"{name}.bin").read_bytes())
        assert taken is not None, "waits for more bytes"


@pytest.mark.parametrize("name", GOOD)
def test_a_part_of_a_frame_is_not_taken(name):
    whole = (FOLDER / f"{name}.bin").read_bytes()
    for cut in {0, 1, 3, 4, 7, 8, len(whole) // 2, len(whole) - 1}:
        assert frames.take(whole[:cut]) is None


def test_two_frames_in_one_buffer_come_one_after_the_other():
    buffer = frames.encode({"t": "ping", "n": 1}) + frames.encode({"t": "ping", "n": 2})
    first, _, used = frames.take(buffer)
    second, _, _ = frames.take(buffer[used:])
    assert (first["n"], second["n"]) == (1, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_not_encoded(value):
    with pytest.raises((ValueError, TypeError)):
        frames.encode({"t": "x", "value": value})


def test_too_many_attachments_are_refused():
    with pytest.raises(frames.ProtocolError, match="attachments"):
        frames.encode({"t": "x"}, [b""] * (frames.ATTACHMENTS_MAX + 1))
