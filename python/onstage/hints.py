"""Annotations as they were written, turned into types: strings, forward references, `int | None` on Python 3.9.

It must not know which types are allowed.
"""

from __future__ import annotations

import ast
import sys
import typing
from typing import Any, Dict, Mapping, Optional

from onstage.errors import DeclarationError, Unresolved


class _Unions(ast.NodeTransformer):
    """`A | B` as `Union[A, B]`, which Python before 3.10 understands."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        pair = ast.Tuple(elts=[node.left, node.right], ctx=ast.Load())
        union = ast.Attribute(value=ast.Name(id="__onstage_typing__", ctx=ast.Load()), attr="Union", ctx=ast.Load())
        return ast.Subscript(value=union, slice=pair, ctx=ast.Load())


def resolve(annotation: Any, names: Mapping[str, Any], where: str) -> Any:
    """The type that an annotation means. Raises DeclarationError, naming `where`."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    return evaluate(annotation, names, where)


def evaluate(text: str, names: Mapping[str, Any], where: str) -> Any:
    """A string annotation evaluated among the names of its module."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        raise DeclarationError(f"the type of {where} is not Python: `{text}`") from None
    if sys.version_info < (3, 10):
        tree = ast.fix_missing_locations(_Unions().visit(tree))
    space: Dict[str, Any] = {**names, "__onstage_typing__": typing}
    try:
        return eval(compile(tree, "<annotation>", "eval"), space)  # noqa: S307 - the author's own annotation
    except Unresolved:
        raise
    except NameError as error:
        name = getattr(error, "name", None) or str(error).split("'")[1]
        raise DeclarationError(f"the type of {where} is `{text}`, but `{name}` is not defined") from None
    except Exception as error:
        raise DeclarationError(f"the type of {where} is `{text}`, which cannot be read: {error}") from None


def annotations_of(owner: Any, where: str) -> Dict[str, Any]:
    """The raw annotations of a function or class itself, not of its bases."""
    try:
        if isinstance(owner, type) and sys.version_info < (3, 10):
            return dict(owner.__dict__.get("__annotations__", {}))
        return dict(owner.__annotations__)
    except AttributeError:
        return {}
    except NameError as error:
        raise DeclarationError(f"an annotation of {where} names something that is not defined: {error}") from None


def names_of(owner: Any) -> Dict[str, Any]:
    """The module names a function or class was written among."""
    found: Optional[Dict[str, Any]] = getattr(owner, "__globals__", None)
    if found is not None:
        return found
    module = sys.modules.get(getattr(owner, "__module__", ""))
    return dict(vars(module)) if module else {}
