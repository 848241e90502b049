"""`Rows`: what a `.many` function gets: one dict of values per row, defaults filled in.

It must not know where the rows come from.
"""

from __future__ import annotations

from typing import Any, Dict, List


class Rows(List[Dict[str, Any]]):
    """A list of rows; `rows.column("zone")` gives one value per row for vectorised code."""

    def column(self, name: str) -> List[Any]:
        try:
            return [row[name] for row in self]
        except KeyError:
            known = ", ".join(f"`{key}`" for key in (self[0] if self else ()))
            raise KeyError(f"no column `{name}`; the inputs are {known}") from None
