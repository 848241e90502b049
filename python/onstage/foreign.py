"""Values of other people's libraries, recognised without importing those libraries.

It must not know schemas; it answers "what is this as plain data, a picture or a table?".
"""

from __future__ import annotations

import base64
import io
import math
import struct
import sys
import zlib
from typing import Any, Optional

_NOT_FOREIGN = frozenset((str, int, float, bool, type(None), list, dict))
# Beyond this, pixels given as fractions are most likely bytes that were turned into floats.
FRACTION_MAX = 2.0


def _is(value: Any, module: str, *names: str) -> bool:
    """Whether `value` is an instance of one of the classes, looked up only in libraries already imported."""
    library = sys.modules.get(module)
    if library is None:
        return False
    classes = tuple(found for name in names if isinstance(found := getattr(library, name, None), type))
    return bool(classes) and isinstance(value, classes)


def is_array(value: Any) -> bool:
    return _is(value, "numpy", "ndarray")


def is_tensor(value: Any) -> bool:
    return _is(value, "torch", "Tensor")


def is_frame(value: Any) -> bool:
    return _is(value, "pandas", "DataFrame") or _is(value, "polars", "DataFrame") or _is(value, "pyarrow", "Table")


def is_series(value: Any) -> bool:
    return _is(value, "pandas", "Series", "Index") or _is(value, "polars", "Series")


def is_picture(value: Any) -> bool:
    return _is(value, "PIL.Image", "Image") or is_figure(value)


def is_figure(value: Any) -> bool:
    return _is(value, "matplotlib.figure", "Figure")


def is_chart(value: Any) -> bool:
    return _is(value, "altair", "TopLevelMixin")


def plain(value: Any) -> Any:
    """Arrays, scalars, series and tensors as lists and numbers; anything else unchanged."""
    if type(value) in _NOT_FOREIGN:
        return value
    if _is(value, "numpy", "generic"):
        return _in_microseconds(value).item()
    if is_array(value):
        return _in_microseconds(value).tolist()
    if is_series(value):
        return value.to_list() if _is(value, "polars", "Series") else value.tolist()
    if is_tensor(value):
        return value.detach().cpu().tolist()
    if _is_no_value(value):
        return None
    if _is(value, "pandas", "Timestamp"):
        return value.to_pydatetime(warn=False)
    return value


def _in_microseconds(value: Any) -> Any:
    """Times of numpy in a unit that Python's `datetime` has; finer ones would turn into integers."""
    if value.dtype.kind in "Mm" and value.dtype.str[-4:] in ("[ns]", "[ps]", "[fs]", "[as]"):
        return value.astype(f"{value.dtype.kind}8[us]")
    return value


def _is_no_value(value: Any) -> bool:
    """Whether this is `pandas.NA` or `pandas.NaT`."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is getattr(pandas, "NA", pandas) or value is getattr(pandas, "NaT", pandas))


def is_missing(value: Any) -> bool:
    """Whether a value is one of the ways to say "nothing": None, NaN, `pandas.NA` or `NaT`."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if _is(value, "numpy", "generic"):
        found = plain(value)
        return found is None or (isinstance(found, float) and math.isnan(found))
    return _is_no_value(value)


def records(value: Any) -> Optional[list]:
    """A frame as one dict per row, or None when it is not a frame."""
    if _is(value, "pandas", "DataFrame"):
        return list(value.to_dict("records"))
    if _is(value, "polars", "DataFrame"):
        return list(value.to_dicts())
    if _is(value, "pyarrow", "Table"):
        return list(value.to_pylist())
    return None


def table_csv(value: Any) -> Optional[bytes]:
    """A frame as CSV, or None when it is not a frame."""
    if _is(value, "pandas", "DataFrame"):
        named = value.index.name is not None or value.index.nlevels > 1
        return bytes(value.to_csv(index=named).encode())
    if _is(value, "polars", "DataFrame"):
        return bytes(value.write_csv().encode())
    if _is(value, "pyarrow", "Table"):
        import pyarrow.csv

        out = io.BytesIO()
        pyarrow.csv.write_csv(value, out)
        return out.getvalue()
    return None


def image_bytes(value: Any) -> Optional[bytes]:
    """A picture, figure or array of pixels as PNG, or None when it is none of these."""
    out = io.BytesIO()
    if _is(value, "PIL.Image", "Image"):
        if value.mode not in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"):
            value = value.convert("RGB")
        value.save(out, "PNG")
        return out.getvalue()
    if is_figure(value):
        value.savefig(out, format="png", bbox_inches="tight")
        _close_figure(value)
        return out.getvalue()
    if is_tensor(value):
        value = value.detach().cpu().numpy()
    if is_array(value):
        return _array_png(value)
    return None


def _close_figure(figure: Any) -> None:
    """pyplot keeps every figure alive until it is closed; a worker lives long."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)


def _array_png(array: Any) -> bytes:
    """Pixels (height × width, or × 1, 3 or 4) as PNG: bytes as they are, fractions and booleans scaled to 255."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise ValueError(f"an array of shape {tuple(array.shape)} is not a picture: height × width, × 3 or × 4")
    if array.dtype.kind == "b":
        array = array.astype("uint8") * 255
    elif array.dtype.kind == "f":
        if array.size and array.max() > FRACTION_MAX:
            raise ValueError(
                f"pixels that are floats go from 0 to 1, these reach {array.max():g}; "
                "divide them by 255, or turn them into `uint8`"
            )
        array = (array.clip(0, 1) * 255 + 0.5).astype("uint8")
    elif array.dtype != "uint8":
        array = array.clip(0, 255).astype("uint8")
    height, width = array.shape[:2]
    colour = 0 if array.ndim == 2 else {3: 2, 4: 6}[array.shape[2]]
    lines = b"".join(b"\0" + row.tobytes() for row in array)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 6)) + chunk(b"IEND", b"")


def vega_lite(value: Any) -> Optional[dict]:
    """A chart as a Vega-Lite specification; a matplotlib figure becomes one that shows its picture."""
    if is_chart(value):
        return dict(value.to_dict())
    if not is_figure(value):
        return None
    width, height = (int(inches * 96) for inches in value.get_size_inches())
    png = image_bytes(value) or b""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": width,
        "height": height,
        "data": {"values": [{"url": "data:image/png;base64," + base64.b64encode(png).decode()}]},
        "mark": {"type": "image", "width": width, "height": height},
        "encoding": {"url": {"field": "url", "type": "nominal"}},
        "config": {"view": {"stroke": None}},
    }
