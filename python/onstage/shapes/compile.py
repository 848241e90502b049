"""From a Python annotation to its `Shape`.

It must not know functions; a message names the place it is given.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import typing
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from onstage import values
from onstage.dataset import Dataset
from onstage.errors import DeclarationError, Unresolved
from onstage.files import File
from onstage.hints import annotations_of, names_of, resolve
from onstage.inputs import MISSING, InputRules
from onstage.shapes import scalars
from onstage.shapes.base import Shape
from onstage.shapes.containers import ListOf, MapOf, Maybe, ScoresOf, Stream
from onstage.shapes.loose import Loose
from onstage.shapes.media import KINDS, DatasetOf, FileOf, Plot, foreign_shape
from onstage.shapes.records import Field, Model, Record
from onstage.shapes.rules import Ruled
from onstage.shapes.tensor import TensorOf
from onstage.stubs import Stub
from onstage.tensors import Tensor

ALLOWED = (
    "str, int, float, bool, date, Literal, Enum, Optional, list, dict, dataclass, TypedDict, "
    "on.File, on.Image, on.Audio, on.Video, on.Table, on.Scores, on.Markdown, on.Plot, on.Secret, on.Tensor"
)
_PLAIN: Dict[Any, Callable[[], Shape]] = {
    str: scalars.Text,
    int: scalars.Integer,
    float: scalars.Number,
    bool: scalars.Boolean,
    type(None): scalars.Nothing,
    None: scalars.Nothing,
    Any: Loose,
    object: Loose,
    dict: lambda: MapOf(Loose()),
    typing.Dict: lambda: MapOf(Loose()),
    list: lambda: ListOf(Loose()),
    typing.List: lambda: ListOf(Loose()),
    tuple: lambda: ListOf(Loose(), tuple),
    set: lambda: ListOf(Loose(), set),
    frozenset: lambda: ListOf(Loose(), frozenset),
    bytes: lambda: FileOf(File, File.bytes),
    Path: lambda: FileOf(File, lambda file: file.path),
    datetime.date: scalars.Day,
    datetime.datetime: lambda: scalars.Day(datetime.datetime),
    values.Secret: scalars.Secret,
}
if not typing.TYPE_CHECKING:
    _PLAIN[values.Scores] = lambda: ScoresOf(scalars.Number())
    _PLAIN[values.Markdown] = scalars.Markdown
    _PLAIN[values.Plot] = Plot

_OF_MODULES = (datetime.date, datetime.datetime, Path)
_ADVICE: Dict[Any, str] = {
    typing.Union: "choose one type, or `Any` to check it yourself; `Optional[…]` is for a value that may be left out",
    tuple: "use `list[…]`, `tuple[…, ...]` of one type, or a dataclass with a name for each place",
    datetime.time: "use str and read it yourself, or datetime.datetime",
    datetime.timedelta: "use float, and say in the help that it is in seconds",
}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_STREAMS = (collections.abc.Iterator, collections.abc.Generator)
_SETS: Dict[Any, Any] = {
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def split_annotated(annotation: Any) -> Tuple[Any, Optional[InputRules]]:
    """`Annotated[T, Input(…)]` as T and its rules."""
    metadata = getattr(annotation, "__metadata__", None)
    if metadata is None:
        return annotation, None
    rules = [item for item in metadata if isinstance(item, InputRules)]
    return annotation.__origin__, rules[-1] if rules else None


class Compiler:
    """Compiles the annotations of one model; a record met twice, or inside itself, is compiled once."""

    def __init__(self) -> None:
        self._records: Dict[Any, Record] = {}
        self.tensors = False
        """Whether any of them is a tensor."""

    def shape(self, annotation: Any, names: Mapping[str, Any], where: str) -> Shape:
        """The shape of an annotation. Raises DeclarationError, or Unresolved where a stub stands in the way."""
        annotation, rules = split_annotated(resolve(annotation, names, where))
        if rules is not None:
            return Ruled(self.shape(annotation, names, where), rules, where)
        annotation = resolve(annotation, names, where)
        if isinstance(annotation, Stub):
            found = foreign_shape(annotation.dotted)
            if found is None:
                raise Unresolved(f"`{annotation.dotted}` is not imported")
            return found
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._generic(annotation, origin, names, where)
        try:
            if annotation in _PLAIN:
                return _PLAIN[annotation]()
        except TypeError:
            pass
        if isinstance(annotation, type):
            found = self._class(annotation, where)
            if found is not None:
                return found
        if hasattr(annotation, "__supertype__"):
            return self.shape(annotation.__supertype__, names, where)
        raise self._refuse(annotation, where)

    def _generic(self, annotation: Any, origin: Any, names: Mapping[str, Any], where: str) -> Shape:
        arguments = typing.get_args(annotation)
        if origin is typing.Literal:
            return _literal(arguments, where)
        if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
            return self._union(annotation, arguments, names, where)
        if origin in _STREAMS:
            return Stream(self.shape(arguments[0], names, where) if arguments else Loose())
        if origin in _LISTS or origin in _SETS:
            return ListOf(self.shape(arguments[0], names, where) if arguments else Loose(), _SETS.get(origin))
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return ListOf(self.shape(arguments[0], names, where), tuple)
        if origin in _MAPS and not arguments:
            return MapOf(Loose())
        if origin in _MAPS:
            if resolve(arguments[0], names, where) is not str:
                raise DeclarationError(f"the keys of {where} must be str, because JSON knows no others")
            return MapOf(self.shape(arguments[1], names, where))
        found = foreign_shape(f"{getattr(origin, '__module__', '')}.{getattr(origin, '__qualname__', '')}")
        if found is not None:
            return found
        raise self._refuse(annotation, where)

    def _union(self, annotation: Any, arguments: Tuple[Any, ...], names: Mapping[str, Any], where: str) -> Shape:
        rest = [argument for argument in arguments if argument is not type(None)]
        if set(rest) == {int, float}:
            rest = [float]
        if len(rest) != 1:
            raise self._refuse(annotation, where)
        inner = self.shape(rest[0], names, where)
        return Maybe(inner) if len(arguments) > len(rest) and type(None) in arguments else inner

    def _class(self, cls: type, where: str) -> Optional[Shape]:
        if cls in KINDS:
            return DatasetOf() if cls is Dataset else FileOf(cls)
        if issubclass(cls, Tensor):
            self.tensors = True
            return TensorOf(cls.wanted_dtype, cls.wanted_shape)
        if issubclass(cls, enum.Enum):
            return _enum(cls, where)
        if dataclasses.is_dataclass(cls):
            return self._record(cls, cls, where)
        if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
            return self._record(cls, dict, where)
        if hasattr(cls, "model_json_schema") and hasattr(cls, "model_validate"):
            return Model(cls)
        return foreign_shape(f"{cls.__module__}.{cls.__qualname__}")

    def _record(self, cls: Any, make: Any, where: str) -> Shape:
        if cls in self._records:
            return self._records[cls]
        record = self._records[cls] = Record(cls, make)
        names = names_of(cls)
        fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else None
        for name, annotation in _all_annotations(cls, where).items():
            here = f"field `{name}` of `{cls.__name__}`"
            default: Any = MISSING
            factory = None
            if fields is None:
                annotation, needed = _typed_dict_key(cls, name, resolve(annotation, names, here))
                default = MISSING if needed else None
            else:
                field = next((field for field in fields if field.name == name and field.init), None)
                if field is None:
                    continue
                if field.default is not dataclasses.MISSING:
                    default = field.default
                if field.default_factory is not dataclasses.MISSING:
                    factory = field.default_factory
            if isinstance(default, InputRules):
                raise DeclarationError(f"{here} has `Input` as its default; write `{name}: Annotated[type, Input(…)]`")
            plain, rules = split_annotated(resolve(annotation, names, here))
            shape = self.shape(plain, names, here)
            if fields is not None and default is None and not isinstance(shape, Maybe):
                shape = Maybe(shape)
            made = Field(name, shape, rules, default, here)
            made.factory = factory
            record.fields.append(made)
        return record

    def _refuse(self, annotation: Any, where: str) -> DeclarationError:
        if isinstance(annotation, ModuleType):
            shown = f"the module `{annotation.__name__}`"
        else:
            name = annotation.__qualname__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
            shown = f"the type `{name}`"
        return DeclarationError(f"{where} has {shown}, which is not supported; {_advice(annotation)}")


def _advice(annotation: Any) -> str:
    """What to write in place of a type that is not supported."""
    if isinstance(annotation, ModuleType):
        found = [name for name, value in vars(annotation).items() if any(value is one for one in _OF_MODULES)]
        if found:
            return "use " + " or ".join(f"`{annotation.__name__}.{name}`" for name in sorted(found))
    origin = typing.get_origin(annotation)
    if str(origin) == "<class 'types.UnionType'>":
        origin = typing.Union
    try:
        return _ADVICE.get(origin or annotation) or f"use {ALLOWED}"
    except TypeError:
        return f"use {ALLOWED}"


def _all_annotations(cls: type, where: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ not in ("builtins", "typing", "typing_extensions"):
            found.update(annotations_of(base, where))
    if not found:
        # A TypedDict has no bases of its own kind at run time; its annotations are already complete.
        found.update(annotations_of(cls, where))
    return {name: hint for name, hint in found.items() if typing.get_origin(hint) is not typing.ClassVar}


def _typed_dict_key(cls: Any, name: str, annotation: Any) -> Tuple[Any, bool]:
    """A TypedDict's key without `Required[…]` around it, and whether it must be there."""
    origin = str(typing.get_origin(annotation))
    if origin.endswith(".NotRequired"):
        return typing.get_args(annotation)[0], False
    if origin.endswith(".Required"):
        return typing.get_args(annotation)[0], True
    return annotation, name in cls.__required_keys__


def _literal(values: Tuple[Any, ...], where: str) -> Shape:
    plain: List[Any] = [value.value if isinstance(value, enum.Enum) else value for value in values if value is not None]
    if not all(isinstance(value, (str, int, bool)) for value in plain):
        raise DeclarationError(f"`Literal` of {where} may hold text, numbers and booleans")
    choice = scalars.Choice(plain)
    return Maybe(choice) if None in values else choice


def _enum(cls: Any, where: str) -> Shape:
    values = [member.value for member in cls]
    if not values or not all(isinstance(value, (str, int, float, bool)) for value in values):
        raise DeclarationError(f"the members of `{cls.__name__}`, the type of {where}, must be text or numbers")
    return scalars.Choice(values, cls)
