"""`Model`: the author's module in this process: described, imported and set up, each once and remembered.

It must not know the protocol, nor which process it is in: what a template has done, its workers need not do.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from onstage import entry
from onstage.contract import Contract, checked
from onstage.ctx import Ctx
from onstage.errors import DeclarationError


class SetupFailed(Exception):
    """Marks an error of the author's set-up, apart from one of the import."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Model:
    def __init__(self, entry_file: str) -> None:
        self.root = os.getcwd()
        self._path = os.path.abspath(entry_file)
        self._namespace: Optional[Dict[str, Any]] = None
        self._module = ""
        self._failed: Optional[BaseException] = None
        self._ready: Optional[Contract] = None

    @property
    def failed(self) -> bool:
        return self._failed is not None

    def described(self) -> Dict[str, Any]:
        """The schema, without an import where the file tells it. What the author's code raises passes through."""
        # Not needed by the many workers that nobody asks.
        from onstage import static

        contract = static.contract(self._path)
        if contract is None:
            contract = self.imported()
        return contract.schema()

    def imported(self) -> Contract:
        """Imports the file, the first time. What the author's code raises passes through, every time."""
        if self._failed is not None:
            raise self._failed
        try:
            if self._namespace is None:
                module = entry.load(self._path)
                self._namespace, self._module = vars(module), module.__name__
            place = (self._namespace, self._module, self._path)
            return checked(entry.find(*place), entry.find_trainer(*place))
        except BaseException as error:
            self._failed = error
            raise

    def set_up(self, ctx: Ctx) -> Contract:
        """Imports, then runs the author's set-up, the first time. Raises SetupFailed, and what `imported` does."""
        if self._ready is not None:
            return self._ready
        contract = self.imported()
        try:
            for setup in entry.setups(self._namespace or {}):
                setup.value(ctx)
        except DeclarationError as error:
            self._failed = error
            raise
        except BaseException as error:
            self._failed = SetupFailed(error)
            raise self._failed from None
        self._ready = contract
        return contract
