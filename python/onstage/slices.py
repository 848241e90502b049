"""`Slice`: the statements of a file that its decorated functions' signatures need, and stubs for the rest.

It must not run anything.
"""

from __future__ import annotations

import ast
import copy
import os
from typing import Any, Dict, Iterable, Iterator, List, Set

from onstage.stubs import Stub

# Quick to import and without effects, so they are imported for real.
REAL = frozenset(
    (
        *("__future__", "abc", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"),
        *("itertools", "json", "math", "numbers", "onstage", "operator", "os", "pathlib", "re", "string", "sys"),
        *("typing", "typing_extensions", "uuid"),
    )
)


class Unknown(Exception):
    """A name whose value cannot be told from the file alone."""


class Slice:
    """What to run of a module to have its decorated functions."""

    def __init__(self, tree: ast.Module) -> None:
        self._statements = list(_flat(tree.body))
        self._bound: Dict[str, List[int]] = {}
        for index, node in enumerate(self._statements):
            for name in _binds(node):
                self._bound.setdefault(name, []).append(index)
        self._onstage = set(_onstage_names(self._statements))
        self.mentions_onstage = bool(self._onstage) or any(_star(node) for node in self._statements)
        self._stubs: Dict[str, Any] = {}

    def imports_siblings(self, folder: str) -> bool:
        """Whether a file of the model's own folder is imported, where the predict function may be."""
        for node in self._statements:
            for module in _imported_modules(node):
                root = module.split(".")[0]
                beside = os.path.join(folder, root)
                if not root or os.path.isfile(beside + ".py") or os.path.isdir(beside):
                    return True
        return False

    def module(self) -> ast.Module:
        """The cut-down module. Raises Unknown."""
        roots = self._roots()
        kept: Dict[int, ast.stmt] = dict(roots)
        for index, node in enumerate(self._statements):
            if isinstance(node, ast.ImportFrom) and node.module in ("__future__", "onstage"):
                kept[index] = node
        waiting = set().union(*(_signature_names(node) for node in roots.values())) if roots else set()
        done: Set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in done or name not in self._bound:
                continue
            done.add(name)
            for index in self._defining(name):
                node = self._statements[index]
                if index in kept or self._is_stubbed(node):
                    continue
                kept[index] = node
                waiting |= set(_loads(node)) - done
        self._refuse_changed(done | {node.name for node in roots.values()}, kept)  # type: ignore[attr-defined]
        body = [kept[index] for index in sorted(kept)]
        return ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))

    def _refuse_changed(self, needed: Set[str], kept: Dict[int, ast.stmt]) -> None:
        """Raises Unknown when a statement that is left out may change a value that is needed: `ZONES.append("N")`."""
        values = {name for name in needed if name in self._bound and not self._is_imported(name)}
        for index, node in enumerate(self._statements):
            if index not in kept and any(name in values for name in _changes(node)):
                raise Unknown("a value that the signature needs is changed after it was made")

    def _is_imported(self, name: str) -> bool:
        nodes = [self._statements[index] for index in self._bound[name]]
        return all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes)

    def stubs(self) -> Dict[str, Any]:
        """A stub for every name of the module; what `module()` keeps replaces its own when it runs."""
        found: Dict[str, Any] = {name: Stub(name) for name in self._bound}
        for node in self._statements:
            if not self._is_stubbed(node):
                continue
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            for alias in node.names:  # type: ignore[attr-defined]
                whole = prefix + alias.name
                bound = alias.asname or (alias.name if prefix else alias.name.split(".")[0])
                found[bound] = Stub(whole if alias.asname or prefix else bound)
        return found

    def _roots(self) -> Dict[int, ast.stmt]:
        """Decorated functions, keeping only Onstage's own decorators."""
        roots: Dict[int, ast.stmt] = {}
        declared: Set[str] = set()
        for index, node in enumerate(self._statements):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            ours = [one for one in node.decorator_list if _root_name(one) in self._onstage | declared]
            if ours:
                slim = copy.copy(node)
                slim.decorator_list = ours
                roots[index] = slim
                declared.add(node.name)
        return roots

    def _defining(self, name: str) -> List[int]:
        places = self._bound[name]
        nodes = [self._statements[index] for index in places]
        if len(places) > 1 and not all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes):
            raise Unknown(f"`{name}` is bound more than once")
        if any(not isinstance(node, _SIMPLE) for node in nodes):
            raise Unknown(f"`{name}` is bound inside a statement")
        return places

    @staticmethod
    def _is_stubbed(node: ast.stmt) -> bool:
        if isinstance(node, ast.Import):
            return not all(alias.name.split(".")[0] in REAL for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            return bool(node.level) or (node.module or "").split(".")[0] not in REAL
        return False


_SIMPLE = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements; `if TYPE_CHECKING:` and `try: import …` count as their imports, one alias each."""
    for node in body:
        if _is_typing_block(node) or _is_import_attempt(node):
            yield from _flat(node.body)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Import) and len(node.names) > 1:
            for alias in node.names:
                yield ast.copy_location(ast.Import(names=[alias]), node)
        else:
            yield node


def _is_typing_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _is_import_attempt(node: ast.stmt) -> bool:
    return isinstance(node, ast.Try) and all(isinstance(inner, (ast.Import, ast.ImportFrom)) for inner in node.body)


def _binds(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
        return
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Import, ast.ImportFrom)):
            for alias in inner.names:
                yield alias.asname or alias.name.split(".")[0]
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            yield inner.name


def _changes(node: ast.stmt) -> Iterator[str]:
    """Names of values that a statement may change, being neither an import, a definition nor a plain assignment."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        return
    parts: List[ast.AST] = [node]
    if isinstance(node, ast.Assign):
        parts = list(node.targets)
    elif isinstance(node, ast.AnnAssign):
        parts = [node.target]
    for part in parts:
        yield from (inner.id for inner in ast.walk(part) if isinstance(inner, ast.Name))


def _imported_modules(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield "" if node.level else (node.module or "")


def _onstage_names(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "onstage":
                    yield alias.asname or "onstage"
        elif isinstance(node, ast.ImportFrom) and node.module == "onstage" and not node.level:
            for alias in node.names:
                yield from ("predict", "setup", "train") if alias.name == "*" else (alias.asname or alias.name,)


def _star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _root_name(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _signature_names(node: ast.stmt) -> Set[str]:
    """Names in the decorators, annotations and defaults of a function, also inside string annotations."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    parts: List[ast.AST] = [*node.decorator_list, node.args]
    if node.returns:
        parts.append(node.returns)
    return {name for part in parts for name in _loads(part)}


def _loads(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) < 200:
            try:
                tree = ast.parse(inner.value, mode="eval")
            except (SyntaxError, ValueError):
                continue
            yield from (name.id for name in ast.walk(tree) if isinstance(name, ast.Name))
