"""The shape of tensors: bytes beside the JSON on the worker's wire, numpy's arrays in the author's hands.

It must not import numpy where the model's environment has none; then the values are `onstage.Tensor`.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Dict, Optional, Sequence

from onstage import foreign
from onstage.errors import BadInput, BadOutput
from onstage.shapes.base import Book, Schema, Shape, named
from onstage.tensors import FORMATS, Dims, Tensor, item_bytes
from onstage.wire import Incoming, Outgoing


class TensorOf(Shape):
    """Numbers of one type; `dtype` None is any type, `dims` None any shape, -1 in it any size."""

    fresh = True

    def __init__(self, dtype: Optional[str] = None, dims: Optional[Dims] = None) -> None:
        self._dtype = dtype
        self._dims = dims
        shown = [*([dtype] if dtype else []), *([str(list(dims))] if dims is not None else [])]
        self.words = " ".join(["a tensor", *shown])

    def schema(self, book: Book) -> Schema:
        told: Dict[str, Any] = {}
        if self._dtype is not None:
            told["dtype"] = self._dtype
        if self._dims is not None:
            told["shape"] = list(self._dims)
        return {
            "type": ["array", "object"],
            "properties": {
                "dtype": {"const": self._dtype} if self._dtype else {"enum": list(FORMATS)},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "data": {"type": "array"},
            },
            "required": ["data"],
            "additionalProperties": False,
            "x-onstage-type": "tensor",
            "x-onstage-tensor": told,
        }

    def decode(self, value: Any, incoming: Incoming) -> Any:
        try:
            if isinstance(value, dict) and "$attachment" in value:
                dims = tuple(value["shape"])
                found = _over(memoryview(incoming.attached(value)), str(value["dtype"]), dims)
            elif isinstance(value, dict):
                found = self._listed(value.get("data"), value.get("dtype"), value.get("shape"))
            else:
                found = self._listed(value, None, None)
        except (ValueError, OverflowError) as error:
            raise BadInput(f"expected {self.words}: {error}") from None
        if not self._fits(_dtype(found), found.shape):
            raise BadInput(f"expected {self.words}, got {_shown(found)}")
        return found

    def _listed(self, data: Any, dtype: Optional[str], dims: Optional[Sequence[int]]) -> Any:
        made = Tensor(data, dtype or self._dtype, dims)
        return _over(memoryview(made.tobytes()), made.dtype, made.shape)

    def encode(self, value: Any, outgoing: Outgoing, at: str) -> Any:
        if foreign.is_tensor(value):
            value = _from_torch(value)
        if not isinstance(value, Tensor):
            value = self._tensor(value, at)
        if not self._fits(value.dtype, value.shape):
            advice = ""
            if self._dtype not in (None, value.dtype):
                advice = f'; turn it into the type with `.astype("{self._dtype}")`'
            raise BadOutput(f"expected {self.words} as {at}, got {_shown(value)}{advice}")
        stand_in = outgoing.add(value._raw)
        return {**stand_in, "dtype": value.dtype, "shape": list(value.shape)}

    def _tensor(self, value: Any, at: str) -> Tensor:
        array = _array_of(value)
        try:
            if array is not None:
                return _from_numpy(array)
            if isinstance(value, (list, tuple, bool, int, float)):
                return Tensor(value, self._dtype)
        except (ValueError, OverflowError) as error:
            raise BadOutput(f"expected {self.words} as {at}: {error}") from None
        raise self.refuse(value, at)

    def _fits(self, dtype: str, dims: Dims) -> bool:
        if self._dtype not in (None, dtype):
            return False
        if self._dims is None:
            return True
        return len(dims) == len(self._dims) and all(want in (-1, size) for want, size in zip(self._dims, dims))

    def default(self, value: Any) -> Any:
        """A default as the nested list that a caller would send."""
        found = value if isinstance(value, Tensor) else self._tensor(value, "default")
        if not self._fits(found.dtype, found.shape):
            raise BadOutput(f"expected {self.words}, got {_shown(found)}")
        if not all(math.isfinite(number) for number in found._numbers()):
            return None
        return found.tolist() if found.shape else None

    def given(self, default: Any) -> Any:
        if default is None:
            return None
        found = default if isinstance(default, Tensor) else self._tensor(default, "default")
        return _over(memoryview(found.tobytes()), found.dtype, found.shape)


def _over(raw: memoryview, dtype: str, dims: Dims) -> Any:
    """An array of numpy's over bytes where numpy is there, without a copy; otherwise a `Tensor`."""
    if dtype not in FORMATS:
        raise ValueError(f"`{dtype}` is no type of a tensor's numbers")
    numpy = _numpy()
    kind = _numpy_dtype(numpy, dtype) if numpy is not None else None
    if numpy is None or kind is None:
        return Tensor(raw, dtype, dims)
    if math.prod(dims) * item_bytes(dtype) != len(raw):
        raise ValueError(f"{len(raw)} bytes are not {dtype} of the shape {list(dims)}")
    if raw.readonly:
        # The array is the author's to change; large ones came into a buffer that can be.
        raw = memoryview(bytearray(raw))
    made = numpy.frombuffer(raw, dtype=kind) if raw else numpy.empty(0, kind)
    made = made.reshape(dims)
    # Numbers that start between two words are slow for numpy and wrong for libraries under it.
    return made if made.flags.aligned else made.copy()


_LIBRARY: Dict[str, Any] = {}


def _numpy() -> Any:
    """numpy, or None. Looked for once: a missing library is slow to miss."""
    if "numpy" not in _LIBRARY:
        try:
            import numpy

            _LIBRARY["numpy"] = numpy
        except ImportError:
            _LIBRARY["numpy"] = None
    return _LIBRARY["numpy"]


def _numpy_dtype(numpy: Any, dtype: str) -> Any:
    """numpy's own type, little-endian; of `bfloat16`, that of `ml_dtypes` where the model has imported it."""
    if dtype != "bfloat16":
        return numpy.dtype(dtype).newbyteorder("<")
    return getattr(sys.modules.get("ml_dtypes"), "bfloat16", None)


def _array_of(value: Any) -> Any:
    """An array or number of numpy's, or what says that it can be one; None otherwise."""
    if isinstance(value, (list, tuple, bool, int, float, str, bytes)):
        return None
    numpy = sys.modules.get("numpy")
    if numpy is None or not (foreign.is_array(value) or hasattr(value, "__array__")):
        return None
    return numpy.asarray(value)


def _from_numpy(array: Any) -> Tensor:
    dtype = str(array.dtype.name)
    if dtype not in FORMATS:
        raise ValueError(f"got an array of {dtype}; a tensor holds {', '.join(FORMATS)}")
    numpy = sys.modules["numpy"]
    dims = tuple(array.shape)
    if dtype != "bfloat16":
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.size == 0:
        return Tensor(b"", dtype, dims)
    return Tensor(memoryview(numpy.ascontiguousarray(array).reshape(-1).view("uint8")), dtype, dims)


def _from_torch(value: Any) -> Tensor:
    """A tensor of torch's, brought to this process's memory first."""
    value = value.detach().cpu()
    if str(value.dtype) == "torch.bfloat16":
        bits = _from_numpy(value.contiguous().view(sys.modules["torch"].int16).numpy())
        return Tensor(bits._raw, "bfloat16", bits.shape)
    try:
        return _from_numpy(value.numpy())
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadOutput(f"{named(value)} cannot be sent as a tensor: {error}") from None


def _dtype(found: Any) -> str:
    return found.dtype if isinstance(found, Tensor) else str(found.dtype.name)


def _shown(found: Any) -> str:
    return f"{_dtype(found)} {list(found.shape)}"
