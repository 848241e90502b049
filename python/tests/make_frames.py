"""Writes the golden frames: `python tests/make_frames.py`. Run it when the protocol grows; never to make a test pass.

It must not use the codec it is a test for: frames are put together here by hand.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Dict, List, Tuple

FOLDER = Path(__file__).resolve().parents[2] / "crates" / "core" / "tests" / "frames"

SCHEMA = {
    "title": "Age of a fish",
    "help": "Longer text in Markdown.",
    "function": "age",
    "background": False,
    "streams": False,
    "many": {"max": 100, "wait_ms": 5},
    "components": {
        "schemas": {
            "Input": {
                "type": "object",
                "title": "Input",
                "properties": {
                    "photo": {
                        "type": "string",
                        "format": "uri",
                        "x-onstage-type": "image",
                        "title": "Photo",
                        "x-order": 0,
                    },
                    "zone": {
                        "type": "string",
                        "title": "Zone",
                        "x-order": 1,
                        "description": "Fishery zone",
                        "enum": ["N", "S"],
                        "default": "N",
                    },
                },
                "required": ["photo"],
                "additionalProperties": False,
            },
            "Output": {
                "title": "Output",
                "type": "object",
                "additionalProperties": {"type": "number"},
                "x-onstage-type": "scores",
            },
        }
    },
}

ERROR = {
    "kind": "exception",
    "message": "ZeroDivisionError: division by zero",
    "field": None,
    "traceback": 'Traceback (most recent call last):\n  File "model.py", line 5, in f\n    1 / 0\nZeroDivisionError: division by zero\n',
}
PHOTO = {"$attachment": 0, "name": "photo.jpg", "media_type": "image/jpeg"}

Frame = Tuple[Dict[str, Any], List[bytes]]

GOOD: Dict[str, Frame] = {
    "hello": ({"t": "hello", "protocol": 1, "pid": 4711, "runner": "onstage-python/0.1.0"}, []),
    "describe": ({"t": "describe"}, []),
    "schema": ({"t": "schema", "schema": SCHEMA}, []),
    "setup": ({"t": "setup", "weights": None, "tempdir": "/tmp/onstage/w1", "seed": 42}, []),
    "setup-weights": ({"t": "setup", "weights": "/data/weights", "tempdir": "/tmp/onstage/w1", "seed": 0}, []),
    "setup-train": (
        {"t": "setup", "weights": None, "tempdir": "/tmp/onstage/w1", "seed": 3, "work": "train"},
        [],
    ),
    "ready": ({"t": "ready"}, []),
    "failed": ({"t": "failed", "during": "setup", "error": {**ERROR, "kind": "setup_failed"}}, []),
    "predict-one": (
        {"t": "predict", "items": [{"id": 1, "input": {"text": "häy ☀ 🐟"}, "seed": 7, "deadline_ms": None}]},
        [],
    ),
    "predict-files": (
        {
            "t": "predict",
            "items": [
                {"id": 2, "input": {"photo": PHOTO, "zone": "N"}, "seed": 7, "deadline_ms": 20000},
                {"id": 3, "input": {"photo": {"$attachment": 1}, "zone": "S"}, "seed": 8, "deadline_ms": 20000},
                {
                    "id": 4,
                    "input": {"photo": {"$path": "/data/a b.jpg", "name": "a b.jpg"}},
                    "seed": 9,
                    "deadline_ms": None,
                },
            ],
        },
        [bytes(range(256)), b""],
    ),
    "train": (
        {
            "t": "train",
            "id": 1,
            "seed": 7,
            "deadline_ms": 3600000,
            "resume": None,
            "input": {
                "data": {"$path": "/data/datasets/ab12", "name": "labels.csv", "media_type": "text/csv"},
                "epochs": 5,
            },
        },
        [],
    ),
    "train-resume": (
        {"t": "train", "id": 1, "seed": 7, "deadline_ms": None, "resume": "/tmp/onstage/t1/last.pt", "input": {}},
        [],
    ),
    "trained": ({"t": "result", "items": [{"id": 1, "output": {"path": "/tmp/w"}, "metrics": {"accuracy": 0.97}}]}, []),
    "checkpoint": ({"t": "checkpoint", "request": 1, "id": 1, "path": "/tmp/onstage/w1/é.pt"}, []),
    "checkpoint-answer": ({"t": "checkpoint", "request": 1}, []),
    "checkpoint-error": ({"t": "checkpoint", "request": 1, "error": "there is nothing at `x.pt`"}, []),
    "dataset": ({"t": "dataset", "request": 2, "id": 1, "name": "labels@v3"}, []),
    "dataset-answer": (
        {"t": "dataset", "request": 2, "dataset": {"$path": "/data/datasets/ab12", "name": "labels.csv"}},
        [],
    ),
    "dataset-error": ({"t": "dataset", "request": 2, "error": "dataset `labels` has no version 3"}, []),
    "cancel": ({"t": "cancel", "id": 3}, []),
    "recall": ({"t": "recall", "ids": [3, 4]}, []),
    "ping": ({"t": "ping", "n": 12}, []),
    "pong": ({"t": "pong", "n": 12}, []),
    "exit": ({"t": "exit"}, []),
    "result": (
        {
            "t": "result",
            "items": [
                {"id": 1, "output": {"N": 0.25, "S": 0.75}},
                {"id": 2, "error": ERROR},
                {
                    "id": 3,
                    "error": {"kind": "user_error", "message": "photo too dark", "field": "photo", "traceback": None},
                },
                {"id": 4, "output": None, "chunks": 3},
                {"id": 5, "output": [1, -2, 3.5, 1e300, True, None, ""], "metrics": {"rows": 3}},
            ],
        },
        [],
    ),
    "result-files": (
        {
            "t": "result",
            "items": [{"id": 6, "output": {"plot": {"$attachment": 0, "media_type": "image/png"}, "n": 1}}],
        },
        [b"\x89PNG\r\n\x1a\n\x00\x1e\xff"],
    ),
    "chunk": ({"t": "chunk", "id": 4, "index": 0, "output": "Once"}, []),
    "progress": ({"t": "progress", "id": 4, "done": 3, "total": 10, "text": "reading"}, []),
    "progress-open": ({"t": "progress", "id": 4, "done": 0.5, "total": None, "text": None}, []),
    "log": ({"t": "log", "id": None, "level": "warning", "text": "low on coffee"}, []),
    "metric": ({"t": "metric", "id": 4, "values": {"loss": 0.25}, "step": 10}, []),
    "state-add": (
        {"t": "state", "request": 1, "id": 4, "space": None, "op": "add", "key": "female/shopping", "value": 1},
        [],
    ),
    "state-items": (
        {"t": "state", "request": 2, "id": None, "space": "activity", "op": "items", "key": "", "value": None},
        [],
    ),
    "state-answer": ({"t": "state", "request": 2, "value": [["a", 1], ["b", {"x": [None]}]]}, []),
    "state-error": ({"t": "state", "request": 3, "error": "value is over 64 KiB"}, []),
    "unknown-message": ({"t": "from_the_future", "x": {"y": 1}}, []),
    "unknown-field": ({"t": "ping", "n": 1, "colour": "blue"}, []),
    "deepest": ({"t": "someday", "x": None}, []),
}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# The header itself and `schema` are two levels.
GOOD["deepest"][0]["x"] = nested(119)


def raw(header: bytes, attachments: bytes = b"") -> bytes:
    return struct.pack("<II", 4 + len(header) + len(attachments), len(header)) + header + attachments


BAD: Dict[str, Tuple[bytes, str]] = {
    "bad-length-over": (struct.pack("<II", (1 << 30) + 1, 2) + b"{}", "length over 1 GiB"),
    "bad-length-short": (struct.pack("<I", 3) + b"abc", "length without room for a header length"),
    "bad-header-over": (struct.pack("<II", 6, (64 << 20) + 1) + b"{}", "header length over 64 MiB"),
    "bad-header-past-end": (struct.pack("<II", 6, 3) + b"{}", "header longer than its frame"),
    "bad-not-json": (raw(b'{"t":"ping",'), "header is not JSON"),
    "bad-not-utf8": (raw(b'{"t":"\xff\xfe"}'), "header is not UTF-8"),
    "bad-not-object": (raw(b'["ping"]'), "header is not an object"),
    "bad-no-name": (raw(b'{"n":1}'), "header has no message name"),
    "bad-name-number": (raw(b'{"t":1}'), "message name is not text"),
    "bad-nan": (raw(b'{"t":"ping","n":NaN}'), "NaN is not JSON"),
    "bad-infinity": (raw(b'{"t":"ping","n":-Infinity}'), "Infinity is not JSON"),
    "bad-two-objects": (raw(b'{"t":"exit"}{"t":"exit"}'), "something follows the header's object"),
    "bad-too-deep": (raw(b'{"t":"schema","schema":' + b"[" * 128 + b"]" * 128 + b"}"), "nested deeper than 120"),
    "bad-sizes-short": (raw(b'{"t":"exit","attachments":[1]}', b"ab"), "attachment sizes end before the frame"),
    "bad-sizes-long": (raw(b'{"t":"exit","attachments":[3]}', b"ab"), "attachment sizes go past the frame"),
    "bad-sizes-missing": (raw(b'{"t":"exit"}', b"ab"), "attachments without sizes"),
    "bad-sizes-negative": (raw(b'{"t":"exit","attachments":[3,-1]}', b"ab"), "a negative size"),
    "bad-sizes-text": (raw(b'{"t":"exit","attachments":["2"]}', b"ab"), "a size that is not a number"),
}


def files() -> Dict[str, bytes]:
    """Every golden file by name."""
    made: Dict[str, bytes] = {}
    for name, (header, attachments) in GOOD.items():
        whole = {**header, "attachments": [len(one) for one in attachments]} if attachments else header
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
        made[f"{name}.bin"] = raw(text, b"".join(attachments))
        expected = {"header": header, "attachments_hex": [one.hex() for one in attachments]}
        made[f"{name}.json"] = _json(expected)
    for name, (frame, why) in BAD.items():
        made[f"{name}.bin"] = frame
        made[f"{name}.json"] = _json({"refused": why})
    return made


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in files().items():
        (FOLDER / name).write_bytes(data)
