"""`Tensor`: numbers of one type and a shape, over bytes; the annotation `on.Tensor["float32", (-1, 16)]` as well.

It must not import numpy: where that is there, functions get arrays of it instead (see `shapes/tensor.py`).
"""

from __future__ import annotations

import math
import struct
import sys
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple, Type, Union

from onstage.errors import DeclarationError
from onstage.stubs import Stub

FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "bfloat16": "H",
    "float32": "f",
    "float64": "d",
}
"""Every type of number, with its letter in Python's `struct`; of `bfloat16`, the letter of its bits."""

FLOATS = ("float16", "bfloat16", "float32", "float64")
DIMENSIONS_MAX = 32

Dims = Tuple[int, ...]


def item_bytes(dtype: str) -> int:
    return struct.calcsize("<" + FORMATS[dtype])


class Tensor:
    """Numbers of one type in a shape: `.dtype`, `.shape`, `.data` (a flat memoryview) and `.tolist()`.

    Made from bytes (little-endian, row by row) with a dtype and a shape, or from a list, nested or flat.
    """

    wanted_dtype: ClassVar[Optional[str]] = None
    wanted_shape: ClassVar[Optional[Dims]] = None

    _kinds: ClassVar[Dict[Tuple[Optional[str], Optional[Dims]], Type[Tensor]]] = {}

    def __init__(self, source: Any, dtype: Optional[str] = None, shape: Optional[Sequence[int]] = None) -> None:
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._raw = memoryview(source).cast("B")
            self.dtype = _dtype_of(dtype or "uint8")
            size = item_bytes(self.dtype)
            self.shape: Dims = (len(self._raw) // size,) if shape is None else tuple(shape)
            if math.prod(self.shape) * size != len(self._raw):
                raise ValueError(
                    f"{len(self._raw)} bytes are not {self.dtype} of the shape {list(self.shape)}, "
                    f"which takes {math.prod(self.shape) * size}"
                )
            return
        flat, found = _flattened(source)
        self.dtype = _dtype_of(dtype) if dtype is not None else _natural(flat)
        self.shape = tuple(found if shape is None else shape)
        if math.prod(self.shape) != len(flat):
            raise ValueError(f"{len(flat)} numbers do not fill the shape {list(self.shape)}")
        self._raw = memoryview(_packed(flat, self.dtype))

    def __class_getitem__(cls, wanted: Any) -> Type[Tensor]:
        dtype, shape = wanted if isinstance(wanted, tuple) and len(wanted) == 2 else (wanted, None)
        key = (_dtype_of(dtype), _shape_of(shape))
        if key not in Tensor._kinds:
            body = {"wanted_dtype": key[0], "wanted_shape": key[1], "__module__": __name__}
            Tensor._kinds[key] = type("Tensor", (Tensor,), body)
        return Tensor._kinds[key]

    @property
    def data(self) -> Any:
        """The numbers as a flat memoryview; of `float16` and `bfloat16`, whose format few Pythons know, the bytes."""
        if self.dtype in ("float16", "bfloat16") or sys.byteorder != "little":
            return self._raw
        letter: Any = FORMATS[self.dtype]
        return self._raw.cast(letter)

    def tobytes(self) -> bytes:
        """The numbers as bytes: little-endian, row by row."""
        return bytes(self._raw)

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        rest: List[Any] = list(self._numbers())
        for size in reversed(self.shape[1:]):
            rest = [rest[at : at + size] for at in range(0, len(rest), size)] if size else [[]] * self.shape[0]
        return rest if self.shape else rest[0]

    def _numbers(self) -> Iterator[Any]:
        count = len(self._raw) // item_bytes(self.dtype)
        found = struct.unpack(f"<{count}{FORMATS[self.dtype]}", self._raw)
        if self.dtype == "bfloat16":
            return iter(struct.unpack(f"<{count}f", struct.pack(f"<{count}I", *(bits << 16 for bits in found))))
        return iter(found)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return (self.dtype, self.shape, self._raw) == (other.dtype, other.shape, other._raw)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Tensor({self.dtype}, {list(self.shape)})"


def _dtype_of(given: Any) -> str:
    """The name of a type of numbers: text, `numpy.float32`, `numpy.dtype("float32")`, `torch.float32`."""
    if isinstance(given, Stub):
        given._unresolved()
    name = given if isinstance(given, str) else str(getattr(given, "__name__", None) or given).split(".")[-1]
    name = {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)
    if name not in FORMATS:
        raise DeclarationError(f"`{name}` is no type of a tensor's numbers; there are {', '.join(FORMATS)}")
    return name


def _shape_of(given: Any) -> Optional[Dims]:
    if given is None:
        return None
    dims = (given,) if isinstance(given, int) else given
    fits = isinstance(dims, (tuple, list)) and len(dims) <= DIMENSIONS_MAX
    if not fits or not all(type(size) is int and size >= -1 for size in dims):
        raise DeclarationError(
            f"the shape of a tensor is whole numbers, -1 for any size, not `{given!r}`: "
            '`on.Tensor["float32", (-1, 16)]`'
        )
    return tuple(dims)


def _flattened(source: Any) -> Tuple[List[Any], List[int]]:
    """The numbers of a nested list, and its shape. Raises ValueError where its rows differ."""
    shape: List[int] = []
    flat: List[Any] = [source]
    while flat and isinstance(flat[0], (list, tuple)):
        size = len(flat[0])
        shape.append(size)
        if len(shape) > DIMENSIONS_MAX:
            raise ValueError(f"a tensor has at most {DIMENSIONS_MAX} dimensions")
        inner: List[Any] = []
        for row in flat:
            if not isinstance(row, (list, tuple)) or len(row) != size:
                raise ValueError("the lists inside a tensor must all have the same length")
            inner.extend(row)
        flat = inner
    for number in flat:
        if not isinstance(number, (bool, int, float)):
            raise ValueError(f"expected numbers in a tensor, got `{type(number).__name__}`")
    return flat, shape


def _natural(flat: List[Any]) -> str:
    """The type that fits plain numbers of Python's."""
    kinds = set(map(type, flat))
    if kinds == {bool}:
        return "bool"
    return "int64" if kinds == {int} else "float64"


def _packed(flat: List[Any], dtype: str) -> bytes:
    """Plain numbers as bytes. Raises ValueError where one does not fit the type."""
    wanted: Tuple[type, ...] = (bool,) if dtype == "bool" else (int, float) if dtype in FLOATS else (int,)
    for number in flat:
        if not isinstance(number, wanted) or (isinstance(number, bool) and dtype != "bool"):
            raise ValueError(f"`{number!r}` is not {dtype}")
    try:
        if dtype == "bfloat16":
            return struct.pack(f"<{len(flat)}H", *map(_bfloat16_bits, flat))
        return struct.pack(f"<{len(flat)}{FORMATS[dtype]}", *flat)
    except (struct.error, OverflowError):
        raise ValueError(f"a number is out of the range of {dtype}") from None


def _bfloat16_bits(number: Union[int, float]) -> int:
    """The upper half of a float32, rounded to the nearest, of two to the even one."""
    bits: int = struct.unpack("<I", struct.pack("<f", number))[0]
    if bits & 0x7F800000 == 0x7F800000:
        return bits >> 16 | (0x40 if bits & 0x7FFFFF else 0)
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
