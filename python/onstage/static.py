"""The schema without the author's heavy imports: only what the predict function's signature needs is run.

It must not guess: where a signature needs something real, it answers None and the caller imports the file.
"""

from __future__ import annotations

import ast
import os
import sys
from types import ModuleType
from typing import Any, Dict, Optional

from onstage.contract import Contract, checked
from onstage.entry import NoPredictor, find, find_trainer
from onstage.errors import DeclarationError, Unresolved
from onstage.slices import Slice, Unknown

MODULE = "onstage_static_model"


def contract(path: str) -> Optional[Contract]:
    """The contract of the model at `path`, or None when it takes an import to know it.

    Raises SyntaxError, NoPredictor and DeclarationError, which an import would only repeat later.
    """
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    cut = Slice(tree)
    if not cut.mentions_onstage:
        if cut.imports_siblings(os.path.dirname(path)):
            return None
        # Without Onstage's name in it, the file cannot hold a predict function; this raises.
        find({}, "", path)
    try:
        names = _run(cut, path)
        predictor = find(names, MODULE, path)
        return checked(predictor, find_trainer(names, MODULE, path))
    except (Unresolved, Unknown, NoPredictor):
        return None
    except DeclarationError:
        raise
    except Exception:
        # The cut-down file failed where the whole one may not; the import will tell.
        return None
    finally:
        sys.modules.pop(MODULE, None)


def _run(cut: Slice, path: str) -> Dict[str, Any]:
    module = ModuleType(MODULE)
    module.__file__ = path
    module.__dict__.update(cut.stubs())
    sys.modules[MODULE] = module
    exec(compile(cut.module(), path, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__
