"""Rules of the house, held by tools: Python 3.9, the standard library alone, formatting, lints, types, sizes.

A tool that is not installed fails the test: `pip install -r requirements-test.txt`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent
SOURCES = sorted((FOLDER / "onstage").rglob("*.py"))
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60

# Libraries that the SDK may import late, inside a function that was handed their values or asked for them.
LATE = {"numpy", "pandas", "polars", "pyarrow", "PIL"}

# `sys.stdlib_module_names` came with 3.10; on 3.9 the rule is held by the other Pythons' runs.
STANDARD = set(getattr(sys, "stdlib_module_names", ()))

on_new_python = pytest.mark.skipif(sys.version_info < (3, 10), reason="these tools no longer run on Python 3.9")


def tool(*command: str) -> None:
    run("-m", *command)


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@on_new_python
def test_formatting_and_lints():
    tool("ruff", "format", "--check", ".")
    tool("ruff", "check", ".")


@on_new_python
def test_types():
    tool("mypy")


@on_new_python
def test_syntax_and_library_of_python_3_9():
    # `float.is_integer` is taken for `int.is_integer`.
    command = "import sys, vermin; sys.exit(vermin.main())"
    run("-c", command, "-q", "-t=3.9-", "--no-tips", "--violations", "--exclude", "int.is_integer", "onstage")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_each_file_says_what_it_owns_and_stays_small(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    words = (ast.get_docstring(tree) or "").split("\n\n")
    assert len(words) >= 2, "the first line says what the file owns, the second what it must not know"
    assert len(text.splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.skipif(not STANDARD, reason="Python 3.9 does not know the names of its own library")
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_only_the_standard_library_is_imported(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            root = name.split(".")[0]
            allowed = STANDARD | {"onstage"} | (LATE if node not in tree.body else set())
            assert root in allowed, f"line {node.lineno} imports `{name}`"
