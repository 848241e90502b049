"""`ApiError`: what a server says when it refuses a request of the client.

It must not know what was asked.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
from typing import Any, Dict, Mapping, Union


class ApiError(Exception):
    """The server refused; `status`, `code`, `hint` and `problem` say why."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = problem.get("code")
        self.hint = problem.get("hint")
        said = problem.get("detail") or problem.get("title") or f"the server answered {status}"
        super().__init__(f"{said}" + (f"\nhint: {self.hint}" if self.hint else ""))


def refused(error: urllib.error.HTTPError) -> ApiError:
    try:
        problem: Union[Dict[str, Any], Any] = json.loads(error.read())
    except (ValueError, http.client.HTTPException, OSError):
        problem = {}
    return ApiError(error.code, problem if isinstance(problem, dict) else {})
