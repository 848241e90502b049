"""The frame codec of the worker protocol: length, header length, JSON header, attachments.

It must not know what any message means, nor what carries the bytes.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

Buffer = Union[bytes, bytearray, memoryview]

FRAME_BYTES_MAX = 1 << 30
HEADER_BYTES_MAX = 64 << 20
ATTACHMENTS_MAX = 65_536
JSON_DEPTH_MAX = 120

_FLAT_LEVELS = 8
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_LENGTHS = struct.Struct("<II")
_LENGTH = struct.Struct("<I")


class ProtocolError(Exception):
    """A frame that breaks the protocol; the connection ends."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"`{name}` is not JSON")


_scan: Any = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)


def _fast_dumps() -> Any:
    """`JSONEncoder.encode` builds a C encoder for every call; this builds it once."""
    make = getattr(json.encoder, "c_make_encoder", None)
    quote = getattr(json.encoder, "encode_basestring", None)
    if make is None or quote is None:
        return _encoder.encode
    try:
        encode = make(None, _encoder.default, quote, None, ":", ",", False, False, False)
        if "".join(encode({"a": [1, 2.5, "é"]}, 0)) != '{"a":[1,2.5,"é"]}':
            return _encoder.encode
    except (TypeError, ValueError):
        return _encoder.encode
    join = "".join

    def dumps(value: Any) -> str:
        return join(encode(value, 0))

    return dumps


dumps = _fast_dumps()
"""JSON text of a plain value. Raises TypeError, ValueError (NaN) or RecursionError for what JSON cannot hold."""


def pack(header: bytes, attachments: Sequence[Buffer] = ()) -> List[Buffer]:
    """The pieces of one frame, in order; `header` must already hold the attachment sizes."""
    size = 4 + len(header)
    for piece in attachments:
        size += len(piece)
    if len(header) > HEADER_BYTES_MAX:
        raise ProtocolError(f"header of {len(header)} bytes is over the limit of {HEADER_BYTES_MAX}")
    if size > FRAME_BYTES_MAX:
        raise ProtocolError(f"frame of {size} bytes is over the limit of {FRAME_BYTES_MAX}")
    if len(attachments) > ATTACHMENTS_MAX:
        raise ProtocolError(f"{len(attachments)} attachments are over the limit of {ATTACHMENTS_MAX}")
    head = _LENGTHS.pack(size, len(header)) + header
    if not attachments:
        return [head]
    return [head, *attachments]


def encode(message: Dict[str, Any], attachments: Sequence[Buffer] = ()) -> bytes:
    """One whole frame as bytes."""
    if attachments:
        message = {**message, "attachments": [len(piece) for piece in attachments]}
    return b"".join(pack(dumps(message).encode(), attachments))


def decode(body: Buffer) -> Tuple[Dict[str, Any], List[memoryview]]:
    """Header and attachments of a frame, given what follows its first length field."""
    view = memoryview(body)
    if len(view) < 4:
        raise ProtocolError("frame is too short for a header length")
    at = 4 + _header_bytes(view, len(view))
    header, sizes = split_header(view[4:at], len(view) - at)
    pieces = []
    for size in sizes:
        pieces.append(view[at : at + size])
        at += size
    return header, pieces


def header_bytes(buffer: Buffer, end: int) -> int:
    """The header's length, given the beginning of a frame and where it ends."""
    return _header_bytes(memoryview(buffer)[4:], end - 4)


def _header_bytes(view: memoryview, body_bytes: int) -> int:
    length: int = _LENGTH.unpack_from(view)[0]
    if length > HEADER_BYTES_MAX:
        raise ProtocolError(f"header of {length} bytes is over the limit of {HEADER_BYTES_MAX}")
    if 4 + length > body_bytes:
        raise ProtocolError("header is longer than its frame")
    return length


def split_header(raw: Buffer, rest_bytes: int) -> Tuple[Dict[str, Any], List[int]]:
    """The header and the sizes of the attachments in the `rest_bytes` that follow it."""
    header = parse_header(raw)
    sizes = header.pop("attachments", None)
    if sizes is None:
        if rest_bytes:
            raise ProtocolError("bytes follow the header but no attachments are named")
        return header, []
    if not isinstance(sizes, list) or len(sizes) > ATTACHMENTS_MAX:
        raise ProtocolError("`attachments` is not a short list of sizes")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ProtocolError("`attachments` holds something that is not a size")
    if sum(sizes) != rest_bytes:
        raise ProtocolError("attachment sizes do not add up to the end of the frame")
    return header, sizes


def parse_header(raw: Buffer) -> Dict[str, Any]:
    """The header's JSON object, checked for finite numbers, depth and its message name."""
    try:
        text = str(raw, "utf-8")
        header, end = _scan(text, _skip_space(text, 0))
    except (ValueError, RecursionError, StopIteration) as error:
        raise ProtocolError(f"header is not JSON: {error}") from None
    if end != len(text) and _skip_space(text, end) != len(text):
        raise ProtocolError("header has something after its JSON object")
    if not isinstance(header, dict) or not isinstance(header.get("t"), str):
        raise ProtocolError("header is not an object with a message name `t`")
    brackets = text.count("{") + text.count("[")
    if brackets > JSON_DEPTH_MAX and not is_flat(bytes(raw)) and depth(header) > JSON_DEPTH_MAX:
        raise ProtocolError(f"header is nested deeper than {JSON_DEPTH_MAX}")
    return header


def depth(value: Any) -> int:
    """How deep lists and objects are nested; a plain value has depth 0. Does not recurse."""
    level, layer = 0, [value]
    while True:
        layer = [one for one in layer if isinstance(one, (dict, list, tuple))]
        if not layer:
            return level
        level += 1
        layer = [inner for one in layer for inner in (one.values() if isinstance(one, dict) else one)]


def is_flat(raw: bytes) -> bool:
    """Whether JSON text is surely nested no deeper than a few levels, told without parsing it: many rows of numbers,
    or a picture as lists, are large and flat.

    Brackets inside texts can only make it look unbalanced, unless somebody balances them on purpose.
    """
    brackets = raw.translate(None, _NO_BRACKETS)
    for _ in range(_FLAT_LEVELS):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return True
    return False


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def take(buffer: Buffer) -> Optional[Tuple[Dict[str, Any], List[memoryview], int]]:
    """The first whole frame in `buffer` with the number of bytes it used, or None when more bytes are needed."""
    if len(buffer) < 4:
        return None
    length = frame_bytes(buffer)
    if len(buffer) < 4 + length:
        return None
    header, attachments = decode(memoryview(buffer)[4 : 4 + length])
    return header, attachments, 4 + length


def frame_bytes(buffer: Buffer) -> int:
    """The length field at the start of `buffer`, checked against the limit."""
    length: int = _LENGTH.unpack_from(buffer)[0]
    if length > FRAME_BYTES_MAX:
        raise ProtocolError(f"frame of {length} bytes is over the limit of {FRAME_BYTES_MAX}")
    if length < 4:
        raise ProtocolError("frame is too short for a header length")
    return length
