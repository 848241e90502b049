"""An item's outcome as the JSON object that goes into a `result` frame.

It must not send anything.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional

from onstage.contract import refuse_generator
from onstage.errors import BadInput, BadOutput, Cancelled, UserError
from onstage.frames import HEADER_BYTES_MAX, depth, dumps, is_flat
from onstage.shapes.base import Shape
from onstage.shapes.loose import Loose
from onstage.tracebacks import one_line, text
from onstage.wire import Outgoing

OUTPUT_DEPTH_MAX = 100
OUTPUT_JSON_BYTES_MAX = HEADER_BYTES_MAX - (1 << 20)
OUTPUT_ATTACHED_BYTES_MAX = (1 << 30) - HEADER_BYTES_MAX
SCANNED_CHARS_MAX = 1 << 20
TOGETHER_BYTES_MAX = 1 << 20
THE_ANSWER = "the answer"

_KEPT = ('"$path"', '"$blob"')

# An integer beyond the range of a double is JSON by its grammar, but no reader takes it.
_HUGE_DIGITS = b"0" * 309
_DIGITS_AS_ZEROS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))


def output_json(shape: Shape, value: Any, outgoing: Outgoing) -> bytes:
    """An answer as JSON text. Raises BadOutput; what the author's own `__repr__` and the like raise passes through."""
    made: Optional[str] = None
    if type(shape) is Loose:
        try:
            made = dumps(value)
        except (TypeError, ValueError, RecursionError):
            pass
    if made is None:
        made = _slowly(shape, value, outgoing)
    try:
        raw = made.encode()
    except UnicodeEncodeError:
        raise BadOutput("the answer holds text that is not valid Unicode (a lone surrogate)") from None
    if len(made) > OUTPUT_DEPTH_MAX:
        _check(made, raw)
    if '"$' in made:
        _check_keys(made, len(outgoing.attachments))
    return raw


def all_succeeded(shape: Shape, items: List[int], values: List[Any]) -> Optional[bytes]:
    """What `succeeded` gives for each item, with commas between, made at once: that costs half of one by one.

    None where any value needs a closer look; nothing was done to it then.
    """
    loose = type(shape) is Loose
    if not loose and not shape.passes(set(map(type, values)), values):
        return None
    try:
        made: str = dumps([{"id": item, "output": value} for item, value in zip(items, values)])
        raw = made.encode()
    except (TypeError, ValueError, RecursionError):
        return None
    if len(raw) > TOGETHER_BYTES_MAX or '"$' in made or (loose and (_may_have_huge(raw) or not is_flat(raw))):
        return None
    return raw[1:-1]


def _slowly(shape: Shape, value: Any, outgoing: Outgoing) -> str:
    refuse_generator(value)
    try:
        made: str = dumps(shape.encode(value, outgoing, THE_ANSWER))
    except RecursionError:
        raise BadOutput("the answer is nested too deep, or holds itself") from None
    except ValueError as error:
        raise BadOutput(f"the answer cannot be sent: {error}") from None
    if sum(map(len, outgoing.attachments)) > OUTPUT_ATTACHED_BYTES_MAX:
        raise BadOutput(f"the files of the answer are over {OUTPUT_ATTACHED_BYTES_MAX >> 20} MiB")
    return made


def _check(made: str, raw: bytes) -> None:
    """What the host would take for a broken protocol is the author's mistake; say so instead."""
    if len(raw) > OUTPUT_JSON_BYTES_MAX:
        raise BadOutput(
            f"the answer is {len(raw) >> 20} MiB of JSON; the limit is {OUTPUT_JSON_BYTES_MAX >> 20} MiB: "
            "return a file instead (`on.File`, a path or bytes)"
        )
    if made.count("[") + made.count("{") > OUTPUT_DEPTH_MAX and not is_flat(raw):
        deepest = depth(_reparsed(made))
        if deepest > OUTPUT_DEPTH_MAX:
            raise BadOutput(f"the answer is nested {deepest} deep; the limit is {OUTPUT_DEPTH_MAX}")
    if len(made) <= SCANNED_CHARS_MAX and _may_have_huge(raw) and _has_huge(_reparsed(made)):
        raise BadOutput("the answer holds a number too large for JSON; return it as text")


def _check_keys(made: str, attached: int) -> None:
    """Objects that stand for files are made by Onstage; one that the author's code made would be taken for a file."""
    if made.count('"$attachment"') == attached and not any(key in made for key in _KEPT):
        return
    waiting = [_reparsed(made)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "$attachment" in one and type(one["$attachment"]) is int and 0 <= one["$attachment"] < attached:
                continue
            kept = [key for key in ("$attachment", "$path", "$blob") if key in one]
            if kept:
                raise BadOutput(f"the answer has the key `{kept[0]}`, which Onstage keeps for itself")
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _reparsed(made: str) -> Any:
    import json

    return json.loads(made)


def _may_have_huge(raw: bytes) -> bool:
    return len(raw) >= len(_HUGE_DIGITS) and _HUGE_DIGITS in raw.translate(_DIGITS_AS_ZEROS)


def _has_huge(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, int) and abs(one) >= 1 << 1023:
            return True
    return False


def error_of(error: BaseException, root: Optional[str], *, kind: Optional[str] = None) -> Dict[str, Any]:
    """An exception in the protocol's words; `kind` overrides what would be a plain `exception`."""
    if isinstance(error, UserError) and kind is None:
        return _error("user_error", _clean(error.message), field=error.field)
    if isinstance(error, BadInput):
        return _error("bad_input", _clean(str(error)), field=error.field)
    if isinstance(error, BadOutput):
        return _error("bad_output", _clean(str(error)))
    if isinstance(error, Cancelled):
        return _error("canceled", "canceled")
    message = str(error) if isinstance(error, UserError) else one_line(error)
    if isinstance(error, MemoryError):
        message = f"{message} ({_peak()})" if ": " in message else f"{message}: {_peak()}"
    return _error(kind or "exception", _clean(message), trace=_clean(text(error, root)))


def _peak() -> str:
    """How much memory this worker had at most, in words."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes, but bytes on macOS.
    return f"the worker had {most >> (20 if sys.platform == 'darwin' else 10)} MiB at most"


def _error(kind: str, message: str, *, field: Optional[str] = None, trace: Optional[str] = None) -> Dict[str, Any]:
    return {"kind": kind, "message": message, "field": field, "traceback": trace}


def _clean(words: str) -> str:
    return words.encode("utf-8", "replace").decode()


def succeeded(item: int, output: bytes) -> bytes:
    return b'{"id":%d,"output":%b}' % (item, output)


def streamed(item: int, chunks: int) -> bytes:
    return b'{"id":%d,"output":null,"chunks":%d}' % (item, chunks)


def failed(item: int, error: Dict[str, Any]) -> bytes:
    return b'{"id":%d,"error":%b}' % (item, dumps(error).encode())
