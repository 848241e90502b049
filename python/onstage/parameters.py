"""Which parameters of a function are inputs, and which are given by Onstage: `on.Ctx` and set-up things by name.

What `**row` takes is said beside the function (`inputs=`), since a model may know its inputs only when it is imported.

It must not compile types; it only tells the parameters apart.
"""

from __future__ import annotations

import functools
import inspect
import typing
from typing import Any, Callable, Dict, List, Mapping

from onstage.ctx import Ctx
from onstage.errors import DeclarationError, Unresolved
from onstage.hints import annotations_of, names_of, resolve
from onstage.inputs import MISSING, InputRules
from onstage.shapes.compile import split_annotated
from onstage.stubs import Stub


class Input:
    """One input parameter: its raw annotation, rules and default."""

    __slots__ = ("annotation", "default", "keyword_only", "name", "rules")

    def __init__(self, name: str, annotation: Any, rules: Any, default: Any, keyword_only: bool = False) -> None:
        self.name = name
        self.keyword_only = keyword_only
        self.annotation = annotation
        self.rules = rules
        self.default = default


class Parameters:
    """The parameters of one function, split by who fills them."""

    def __init__(self, function: Callable[..., Any], *, first_is_rows: bool = False, more: Any = None) -> None:
        self.function = function
        self.open = more is Any
        """Whether inputs that nobody declared are let in."""
        self._more = more
        self.label = f"`{getattr(function, '__name__', 'predict')}`"
        self.inputs: List[Input] = []
        self.ctx: List[str] = []
        self.setups: Dict[str, Any] = {}
        signature = inspect.signature(function)
        written = _written(function)
        names = self.names = names_of(written)
        raw = annotations_of(written, self.label)
        returns = raw.get("return", signature.return_annotation)
        self.returns: Any = MISSING if returns is signature.empty else returns
        parameters = list(signature.parameters.values())
        if first_is_rows:
            parameters = self._without_rows(parameters)
        for parameter in parameters:
            self._place(parameter, raw.get(parameter.name, parameter.annotation), names)
        if more is not None and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            raise DeclarationError(
                f"{self.label} has `inputs=` and nothing that takes them; write `def {_bare(self.label)}(**row)`"
            )

    def where(self, name: str) -> str:
        return f"parameter `{name}` of {self.label}"

    def _without_rows(self, parameters: List[inspect.Parameter]) -> List[inspect.Parameter]:
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise DeclarationError("a `.many` function takes the rows as its first parameter: `def _(rows, *, net): …`")
        return parameters[1:]

    def _place(self, parameter: inspect.Parameter, annotation: Any, names: Mapping[str, Any]) -> None:
        from onstage.declare import Setup

        name = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD and self._more is not None:
            self._place_more({} if self.open else self._more)
            return
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise DeclarationError(f"{self.label} has `*{name}`; name every input, because each becomes a form field")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise DeclarationError(f"{self.where(name)} is positional-only; remove the `/`")
        setup = names.get(name)
        untyped = annotation is parameter.empty
        if isinstance(setup, Setup) and not isinstance(parameter.default, InputRules):
            self.setups[name] = setup
            return
        if isinstance(setup, Stub) and (untyped or parameter.kind is inspect.Parameter.KEYWORD_ONLY):
            raise Unresolved(f"`{name}` may be a set-up function of another module")
        if not untyped and is_ctx(annotation, names):
            self.ctx.append(name)
            return
        if untyped and name == "ctx":
            self.ctx.append(name)
            return
        self.inputs.append(_input(parameter, annotation))

    def _place_more(self, more: Mapping[str, Any]) -> None:
        taken = {*self.ctx, *self.setups, *(field.name for field in self.inputs)}
        for name, annotation in more.items():
            if not isinstance(name, str) or not name or name in taken:
                raise DeclarationError(
                    f"`inputs` of {self.label} names {name!r}, which is no name of an input of its own"
                )
            plain, rules = split_annotated(annotation)
            default = MISSING if rules is None else rules.default
            self.inputs.append(Input(name, plain if rules is not None else annotation, rules, default, True))


def _bare(label: str) -> str:
    return label.strip("`")


def _written(function: Callable[..., Any]) -> Any:
    """The function as the author wrote it: inside decorators, `functools.partial` and objects with `__call__`."""
    inner: Any = inspect.unwrap(function)
    if isinstance(inner, functools.partial):
        return _written(inner.func)
    return inner if hasattr(inner, "__globals__") else vars(type(inner)).get("__call__", inner)


def _input(parameter: inspect.Parameter, annotation: Any) -> Input:
    name, keyword_only = parameter.name, parameter.kind is parameter.KEYWORD_ONLY
    default = MISSING if parameter.default is parameter.empty else parameter.default
    if isinstance(default, InputRules):
        return Input(name, annotation, default, default.default, keyword_only)
    plain, rules = split_annotated(annotation)
    if rules is not None and default is MISSING:
        default = rules.default
    return Input(name, plain if rules is not None else annotation, rules, default, keyword_only)


def is_ctx(annotation: Any, names: Mapping[str, Any]) -> bool:
    """Whether an annotation, however written, is `on.Ctx`."""
    if isinstance(annotation, str):
        if "Ctx" not in annotation:
            return False
        try:
            annotation = resolve(annotation, names, "a parameter")
        except (DeclarationError, Unresolved):
            return False
    return annotation is Ctx or [one for one in typing.get_args(annotation) if one is not type(None)] == [Ctx]
