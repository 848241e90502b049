"""The decorators `setup`, `predict`, `.many` and `train`; what they make stays an ordinary callable.

They must not compile types or know the worker: a model file must import fast and run in a plain unit test.
"""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Tuple, Union, overload

from onstage.ctx import Ctx
from onstage.errors import DeclarationError, Unresolved
from onstage.inputs import MISSING, InputRules
from onstage.rows import Rows
from onstage.stubs import Stub

Fn = Callable[..., Any]

MANY_MAX_DEFAULT = 32


class _Declared:
    """A decorated function that can still be called with plain values."""

    def __init__(self, function: Fn, decorator: str) -> None:
        if isinstance(function, _Declared):
            raise DeclarationError(f"`{function.__name__}` already has a decorator of Onstage's; it can have only one")
        if isinstance(function, type):
            name = function.__name__
            raise DeclarationError(
                f"`@on.{decorator}` goes on a function, not on a class; write one that uses `{name}`"
            )
        if not callable(function):
            raise DeclarationError(f"`@on.{decorator}` goes on a function, not on {type(function).__name__}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise DeclarationError(f"`@on.{decorator}` goes on a plain function: write `def`, not `async def`")
        self.function = function
        self._parameters: Optional[Any] = None
        # `functools.partial` and objects with `__call__` have no name of their own.
        self.__name__ = getattr(function, "func", type(function)).__name__
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; missing defaults, `ctx` and set-up things are filled in."""
        return self.function(*args, **self._filled(len(args), kwargs))

    def _filled(self, given: int, kwargs: Dict[str, Any]) -> Dict[str, Any]:
        parameters = self.parameters()
        positions = list(inspect.signature(self.function).parameters)
        # What `**row` takes has no place of its own.
        more = [field.name for field in parameters.inputs if field.name not in positions]
        missing = [name for name in (*positions[given:], *more) if name not in kwargs]
        for field in parameters.inputs:
            if field.name in missing and field.default is not MISSING and isinstance(field.rules, InputRules):
                kwargs[field.name] = field.default
            elif field.name in missing and field.default is MISSING and (field.rules is not None or field.name in more):
                raise TypeError(f"{self.__name__}() is missing the argument `{field.name}`")
        for name in parameters.ctx:
            if name in missing:
                kwargs[name] = Ctx()
        for name, setup in parameters.setups.items():
            if name in missing:
                kwargs[name] = setup.value()
        return kwargs

    def parameters(self) -> Any:
        """The function's parameters, split by who fills them; worked out once."""
        if self._parameters is None:
            from onstage.parameters import Parameters

            self._parameters = Parameters(self.function)
        return self._parameters

    __name__: str

    def __reduce__(self) -> str:
        """Pickled by name, as a function is, so that it can be given to other processes."""
        return str(getattr(self, "__qualname__", self.__name__))

    def __repr__(self) -> str:
        return f"<onstage {type(self).__name__.lower()} `{self.__name__}`>"


class Setup(_Declared):
    """Something made once per worker and given to functions that name it."""

    def __init__(self, function: Fn) -> None:
        super().__init__(function, "setup")
        self._made: Any = MISSING
        if streams(function):
            raise DeclarationError(f"the set-up function `{self.__name__}` returns what it made; it must not yield")

    def check(self, above: Tuple[Setup, ...] = ()) -> None:
        """Whether everything that the function asks for can be given. Raises DeclarationError."""
        if self in above:
            circle = " → ".join(f"`{setup.__name__}`" for setup in (*above[above.index(self) :], self))
            raise self._refusal(f"set-up functions ask for each other in a circle: {circle}")
        for field in self.parameters().inputs:
            if field.default is MISSING:
                raise self._refusal(
                    f"`{field.name}` of the set-up function `{self.__name__}` has no default, and nobody can give it; "
                    "a set-up function takes `on.Ctx` and other `@on.setup` functions by name"
                )
        for setup in self.parameters().setups.values():
            setup.check((*above, self))

    def _refusal(self, message: str) -> DeclarationError:
        error = DeclarationError(message)
        error.code = getattr(inspect.unwrap(self.function), "__code__", None)
        return error

    def value(self, ctx: Optional[Ctx] = None) -> Any:
        """What the function returned; it runs at the first call."""
        if self._made is MISSING:
            given = {name: ctx or Ctx() for name in self.parameters().ctx}
            given.update({name: setup.value(ctx) for name, setup in self.parameters().setups.items()})
            self._made = self(**given)
        return self._made


class Many(_Declared):
    """The vectorised form of a predict function."""

    def __init__(self, predictor: Predictor, function: Fn, max: int, wait_ms: Union[float, str]) -> None:
        super().__init__(function, "predict")
        self._predictor = predictor
        self.max = max
        self.wait_ms = wait_ms

    def __call__(self, rows: Iterable[Mapping[str, Any]], *args: Any, **kwargs: Any) -> Any:
        """Call the function with plain dicts; missing defaults, `ctx` and set-up things are filled in."""
        inputs = self._predictor.parameters().inputs
        defaults = {field.name: field.default for field in inputs if field.default is not MISSING}
        filled = Rows({**defaults, **row} for row in rows)
        return self.function(filled, *args, **self._filled(1 + len(args), kwargs))

    def parameters(self) -> Any:
        if self._parameters is None:
            from onstage.parameters import Parameters

            self._parameters = Parameters(self.function, first_is_rows=True)
        return self._parameters


class Predictor(_Declared):
    """A model's predict function."""

    def __init__(self, function: Fn, background: bool, inputs: Any = None) -> None:
        super().__init__(function, "predict")
        self.background = background
        self.vectorised: Optional[Many] = None
        self._inputs = inputs

    def parameters(self) -> Any:
        if self._parameters is None:
            from onstage.parameters import Parameters

            self._parameters = Parameters(self.function, more=self._inputs)
        return self._parameters

    def many(self, *misplaced: Any, max: int = MANY_MAX_DEFAULT, wait_ms: Union[float, str] = 0) -> Callable[[Fn], Any]:
        """Decorate a function that answers many rows at once: one answer, or exception, per row.

        `max` is how many rows it takes at most; `wait_ms` how long a row may wait for company (a number or "auto").
        """
        me = self.__name__
        if misplaced:
            raise DeclarationError(f"write `@{me}.many(max=…)` with parentheses and named arguments")
        if isinstance(max, Stub) or isinstance(wait_ms, Stub):
            raise Unresolved(f"an option of `@{me}.many` is of another module")
        if isinstance(max, bool) or not isinstance(max, int) or max < 1:
            raise DeclarationError(f"`max` of `@{me}.many` is a whole number from 1, not {max!r}")
        if wait_ms != "auto" and (isinstance(wait_ms, (bool, str)) or not 0 <= wait_ms < math.inf):
            raise DeclarationError(f'`wait_ms` of `@{me}.many` is a number from 0 or "auto", not {wait_ms!r}')
        if self.vectorised is not None:
            raise DeclarationError(f"`{me}` already has a `.many` function")
        if streams(self.function):
            raise DeclarationError(f"`{me}` streams its answer, so it cannot have a `.many` function")

        def decorate(function: Fn) -> Any:
            if not callable(function) or isinstance(function, _Declared):
                raise DeclarationError(f"`@{me}.many(…)` goes on a plain function of its own: `def _(rows): …`")
            if streams(function) or inspect.iscoroutinefunction(function):
                raise DeclarationError(f"the `.many` function of `{me}` returns a list; it must not yield or be async")
            made = Many(self, function, max, wait_ms)
            extra = made.parameters().inputs
            if extra:
                raise DeclarationError(
                    f"`{extra[0].name}` in the `.many` function of `{me}` is neither `on.Ctx` nor an `@on.setup` "
                    f"function; inputs come in the rows: `row[{extra[0].name!r}]`"
                )
            self.vectorised = made
            # Of the same name, it would hide the predict function; `property` setters work this way too.
            return self if made.__name__ == me else made

        return decorate


class Trainer(_Declared):
    """A model's training function."""

    def __init__(self, function: Fn) -> None:
        super().__init__(function, "train")
        if streams(function):
            raise DeclarationError(
                f"the training function `{self.__name__}` returns the path of what it learnt, or `on.Weights`; "
                "it must not yield"
            )


def streams(function: Fn) -> bool:
    """Whether a function yields its answer piece by piece."""
    return inspect.isgeneratorfunction(inspect.unwrap(function))


@overload
def predict(function: Fn) -> Predictor: ...
@overload
def predict(*, background: bool = ..., inputs: Any = ...) -> Callable[[Fn], Predictor]: ...
def predict(function: Optional[Fn] = None, *, background: bool = False, inputs: Any = None) -> Any:
    """Make a function the model's predict function: `@on.predict` or `@on.predict(background=True)`.

    `inputs` is for a function whose inputs are known only when it is imported, from its weights for instance: the types
    by name (`{"mean radius": float}`, or `Annotated[float, on.Input(…)]`) of what `**row` takes; `Any` lets all in.
    """
    if function is None:
        return lambda function: Predictor(function, background, inputs)
    return Predictor(function, background, inputs)


@overload
def setup(function: Fn) -> Setup: ...
@overload
def setup() -> Callable[[Fn], Setup]: ...
def setup(function: Optional[Fn] = None) -> Any:
    """Run a function once per worker; parameters of its name get what it returned."""
    return Setup if function is None else Setup(function)


@overload
def train(function: Fn) -> Trainer: ...
@overload
def train() -> Callable[[Fn], Trainer]: ...
def train(function: Optional[Fn] = None) -> Any:
    """Make a function the model's training function."""
    return Trainer if function is None else Trainer(function)
