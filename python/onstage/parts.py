"""Large files in parts: each is sent again until it is there, past the server to its storage where that takes them.

It must not know what becomes of the file.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Dict, Mapping, Optional, Protocol

from onstage.files import File
from onstage.refusal import ApiError

__all__ = ["upload_parts"]

LOOK_AGAIN_SECONDS = 1


class Requests(Protocol):
    """What is needed of a client."""

    def call(self, method: str, path: str, body: Any = None) -> Any: ...

    def request(self, method: str, path: str, data: Optional[bytes], headers: Mapping[str, str]) -> bytes: ...


def upload_parts(client: Requests, file: File, wish: Mapping[str, Any]) -> Dict[str, Any]:
    """Upload a file as `wish` says (the body of `POST /v1/uploads`) and return what it has become."""
    upload = client.call("POST", "/v1/uploads", wish)
    direct = upload.get("direct", False)
    with file.open() as content:
        for number in range(1, upload["part_count"] + 1):
            part = content.read(upload["part_size"])
            path = f"{upload['urls']['parts']}/{number}"
            query = f"?sha256={hashlib.sha256(part).hexdigest()}"
            direct = direct and _sent_directly(client, path, query, part)
            if not direct:
                client.request("PUT", path + query, part, {"Content-Type": "application/octet-stream"})
    while True:
        made = client.call("POST", upload["urls"]["complete"])
        if "part_count" not in made:
            return dict(made)
        time.sleep(LOOK_AGAIN_SECONDS)


def _sent_directly(client: Requests, path: str, query: str, part: bytes) -> bool:
    """False when the storage did not take the part; it and what follows go through the server then."""
    link = client.call("POST", f"{path}/link{query}")
    try:
        client.request("PUT", link["url"], part, link["headers"])
    except (ApiError, ConnectionError):
        return False
    client.call("POST", path + query)
    return True
