"""The model's entry file: imported for real, and the one predict function found in it.

It must not know the protocol; messages say what the author should change.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Dict, List, Optional

from onstage.declare import Predictor, Setup, Trainer
from onstage.errors import DeclarationError

FIX = """\
import onstage as on

@on.predict
def shout(text: str) -> str:
    return text.upper()"""


class NoPredictor(Exception):
    """The entry file holds no predict function, or more than one."""


def load(path: str) -> ModuleType:
    """Import the entry file. What the author's code raises passes through."""
    if not os.path.isfile(path):
        raise NoPredictor(f"there is no `{os.path.basename(path)}` in the model's folder; create it with\n\n{FIX}\n")
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules or not name.isidentifier():
        name = "model_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec) if spec else ModuleType(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def find(names: Dict[str, Any], module: str, path: str) -> Predictor:
    """The predict function among a module's names. Raises NoPredictor with the fix."""
    found: List[Predictor] = []
    for value in names.values():
        while not isinstance(value, Predictor) and hasattr(value, "__dict__") and "__wrapped__" in vars(value):
            value = value.__wrapped__
        if isinstance(value, Predictor) and not any(value is other for other in found):
            found.append(value)
    own = [predictor for predictor in found if getattr(predictor.function, "__module__", "") == module]
    found = own or found
    if len(found) == 1:
        return found[0]
    file = os.path.basename(path)
    if found:
        shown = " and ".join(f"`{one.__name__}`{_line(one)}" for one in found)
        raise NoPredictor(
            f"`{file}` has {len(found)} predict functions: {shown}; a model has one. "
            "Keep `@on.predict` on one of them and put the others into models of their own"
        )
    raise NoPredictor(f"`{file}` has no predict function; {_advice(path)}")


def find_trainer(names: Dict[str, Any], module: str, path: str) -> Optional[Trainer]:
    """The training function among a module's names, if there is one. Raises DeclarationError when there are several."""
    found: List[Trainer] = []
    for value in names.values():
        if isinstance(value, Trainer) and not any(value is other for other in found):
            found.append(value)
    own = [trainer for trainer in found if getattr(trainer.function, "__module__", "") == module]
    found = own or found
    if len(found) > 1:
        shown = " and ".join(f"`{one.__name__}`" for one in found)
        raise DeclarationError(
            f"`{os.path.basename(path)}` has {len(found)} training functions: {shown}; a model has one"
        )
    return found[0] if found else None


def setups(names: Dict[str, Any]) -> List[Setup]:
    """Every set-up function among a module's names, in the order they were written."""
    found: List[Setup] = []
    for value in names.values():
        if isinstance(value, Setup) and not any(value is other for other in found):
            found.append(value)
    return found


def _line(predictor: Predictor) -> str:
    code = getattr(predictor.function, "__code__", None)
    return f" (line {code.co_firstlineno})" if code else ""


def _last_name(decorator: ast.expr) -> str:
    """`predict` of `@on.predict(background=True)`."""
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")


def _advice(path: str) -> str:
    """Where to put the decorator: above the file's own last function, or a whole example."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        tree = ast.Module(body=[], type_ignores=[])
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for method in owner.body:
            if isinstance(method, ast.FunctionDef) and "predict" in map(_last_name, method.decorator_list):
                return (
                    f"`{owner.name}.{method.name}` (line {method.lineno}) is a method: "
                    "put the predict function at the top level of the file, outside of any class"
                )
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    if not functions:
        return f"add\n\n{FIX}\n"
    last = functions[-1]
    return (
        f"put the decorator above the function that answers (`{last.name}`, line {last.lineno}?):\n\n"
        f"import onstage as on\n\n@on.predict\ndef {last.name}({ast.unparse(last.args)}): …\n"
    )
