"""`Contract`: a predictor's inputs and output and its training's inputs, compiled; the schema, and values in and out.

It must not call the author's function.
"""

from __future__ import annotations

import collections.abc
import copy
import inspect
import typing
from typing import Any, Dict, List, Optional, Union

from onstage.declare import Predictor, Trainer, streams
from onstage.errors import BadInput, BadOutput, DeclarationError
from onstage.frames import dumps
from onstage.hints import resolve
from onstage.inputs import MISSING
from onstage.parameters import Input, Parameters
from onstage.shapes.base import Book, Schema, Shape
from onstage.shapes.compile import Compiler
from onstage.shapes.containers import Maybe, Stream
from onstage.shapes.loose import Loose
from onstage.shapes.records import Field, in_words, object_schema
from onstage.wire import Incoming

_COPIED = (list, dict, set)


def checked(predictor: Predictor, trainer: Optional[Trainer] = None) -> Contract:
    """The contract of a predictor, its schema tried as well. Raises DeclarationError that knows the author's line."""
    declared: Union[Predictor, Trainer] = predictor
    try:
        made = Contract(predictor)
        dumps(made.schema())
        if trainer is not None:
            declared = trainer
            made.training = TrainContract(trainer)
            dumps(made.schema())
    except DeclarationError as error:
        error.code = error.code or getattr(inspect.unwrap(declared.function), "__code__", None)
        raise
    return made


class Inputs:
    """What a function takes. Raises DeclarationError for what Onstage cannot use."""

    def __init__(self, declared: Union[Predictor, Trainer], compiler: Compiler) -> None:
        self.parameters: Parameters = declared.parameters()
        self.names = self.parameters.names
        for setup in self.parameters.setups.values():
            setup.check()
        self.fields: List[Field] = [self._field(compiler, field) for field in self.parameters.inputs]
        self._known = {field.name: field for field in self.fields}
        optional = [field for field in self.fields if not field.required]
        self._fresh = [field for field in optional if field.shape.fresh or isinstance(field.default, _COPIED)]
        self._defaults = {field.name: None if field in self._fresh else field.given_default() for field in optional}
        self._decoded = [field for field in self.fields if not field.shape.direct]
        self._required = frozenset(field.name for field in self.fields if field.required)

    def _field(self, compiler: Compiler, given: Input) -> Field:
        where = self.parameters.where(given.name)
        if given.annotation is inspect.Parameter.empty:
            advice = f"; or write an `@on.setup` function named `{given.name}`" if given.keyword_only else ""
            raise DeclarationError(f"{where} has no type; write for example `{given.name}: str`{advice}")
        shape = compiler.shape(given.annotation, self.names, where)
        if isinstance(shape, Stream):
            raise DeclarationError(f"{where} is an iterator; only answers can stream, write `list[…]`")
        default = given.default
        if default is MISSING and isinstance(shape, Maybe):
            default = None
        if default is None and not isinstance(shape, Maybe):
            # `n: int = None` says what `n: Optional[int] = None` says.
            shape = Maybe(shape)
        return Field(given.name, shape, given.rules, default, where)

    def decode(self, given: Dict[str, Any], incoming: Incoming) -> Dict[str, Any]:
        """The arguments of one call, defaults filled in. Raises BadInput."""
        made = {**self._defaults, **given}
        if (len(made) != len(self._known) and not self.parameters.open) or not self._required <= made.keys():
            self._complain(made)
        for field in self._decoded:
            if field.name in given:
                try:
                    made[field.name] = field.shape.decode(given[field.name], incoming)
                except BadInput as error:
                    raise BadInput(f"`{field.name}`: {error}", field=field.name) from None
        for field in self._fresh:
            if field.name not in given:
                value = field.given_default()
                made[field.name] = copy.deepcopy(value) if isinstance(value, _COPIED) else value
        return made

    def _complain(self, made: Dict[str, Any]) -> None:
        for name in sorted(self._required - made.keys()):
            raise BadInput(f"`{name}` is missing", field=name)
        for name in made:
            if name not in self._known and not self.parameters.open:
                raise BadInput(f"`{name}` is not an input of {self.parameters.label}", field=name)


class TrainContract(Inputs):
    """What a training function takes; it gives a path, or `on.Weights`."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        super().__init__(trainer, Compiler())

    def schema(self) -> Dict[str, Any]:
        """What the answer to `describe` says about it."""
        book = Book()
        book.schemas["Input"] = object_schema("Input", self.fields, book)
        title, text = _title_and_help(self.trainer)
        return {
            "title": title,
            "help": text,
            "function": self.trainer.__name__,
            "components": {"schemas": book.schemas},
        }


class Contract(Inputs):
    """What a predict function takes and gives. Raises DeclarationError for what Onstage cannot use."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.training: Optional[TrainContract] = None
        """What the model's training takes, when it has one."""
        compiler = Compiler()
        super().__init__(predictor, compiler)
        self.takes_tensors = compiler.tensors
        self.streams = streams(predictor.function)
        self.output: Shape = self._output(compiler)

    def _output(self, compiler: Compiler) -> Shape:
        where = f"the answer of {self.parameters.label}"
        hint = resolve(self.parameters.returns, self.names, where)
        if hint is MISSING:
            return Stream(Loose()) if self.streams else Loose()
        origin = typing.get_origin(hint)
        if self.streams and origin in (collections.abc.Iterable, list):
            arguments = typing.get_args(hint)
            return Stream(compiler.shape(arguments[0], self.names, where) if arguments else Loose())
        shape = compiler.shape(hint, self.names, where)
        if isinstance(shape, Stream):
            self.streams = True
        elif self.streams:
            raise DeclarationError(f"{where} is yielded piece by piece; annotate it `-> Iterator[…]`")
        if self.streams and self.predictor.vectorised is not None:
            raise DeclarationError(f"{self.parameters.label} streams its answer, so it cannot have a `.many` function")
        return shape

    def schema(self) -> Dict[str, Any]:
        """The whole answer to `describe`."""
        book = Book()
        book.schemas["Input"] = {
            **object_schema("Input", self.fields, book),
            "additionalProperties": self.parameters.open,
        }
        output: Schema = self.output.schema(book)
        book.schemas["Output"] = {"title": "Output", **output} if output and "$ref" not in output else output
        title, text = _title_and_help(self.predictor)
        many = self.predictor.vectorised
        return {
            "title": title,
            "help": text,
            "function": self.predictor.__name__,
            "background": self.predictor.background,
            "streams": self.streams,
            "many": {"max": many.max, "wait_ms": many.wait_ms} if many else None,
            **({"training": self.training.schema()} if self.training else {}),
            "components": {"schemas": book.schemas},
        }

    def piece(self) -> Shape:
        """The shape of one answer, or of one piece of a streamed one."""
        return self.output.item if isinstance(self.output, Stream) else self.output


def _title_and_help(declared: Union[Predictor, Trainer]) -> tuple[str, str]:
    text = inspect.getdoc(declared.function) or ""
    first, _, rest = text.partition("\n")
    return first.strip().rstrip(".") or in_words(declared.__name__), rest.strip()


def refuse_generator(value: Any) -> None:
    """A generator from a function that did not say it streams is most likely a forgotten `yield`."""
    if inspect.isgenerator(value):
        raise BadOutput(
            "the answer is a generator; yield in the predict function itself, or annotate it `-> Iterator[…]`"
        )
