"""Lists a page at a time. A cursor is opaque and signed: what reaches a query is what we gave, for this very list."""

import base64
import binascii
import hmac
from hashlib import sha256
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from api.errors import invalid
from perennial.ports import Page

ItemT = TypeVar("ItemT")

_SIGNATURE_BYTES = 12

# A filter by an id or a code. What it names need not exist: then the list is empty.
Filter = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")]


class Listing(BaseModel, Generic[ItemT]):
    """Newest first. `next_cursor` is null on the last page."""

    data: list[ItemT]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last one.")


class Pagination:
    """`limit` and `after` for the engine, and the way back to a listing."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100, description="How many on a page.")] = 20,
        cursor: Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")] = None,
    ) -> None:
        self._secret = request.app.state.settings.webhook_secret.encode()
        self._list = request.url.path.encode()
        self.limit = limit
        self.after = None if cursor is None else self._open(cursor)

    def listing(self, page: Page[ItemT]) -> Listing[ItemT]:
        cursor = None if page.next is None else self._seal(page.next)
        return Listing(data=list(page.items), next_cursor=cursor)

    def _seal(self, position: str) -> str:
        return base64.urlsafe_b64encode(self._sign(position.encode()) + position.encode()).decode()

    def _open(self, cursor: str) -> str:
        try:
            sealed = base64.urlsafe_b64decode(cursor.encode())
        except (ValueError, binascii.Error):
            sealed = b""
        signature, position = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(position)):
            raise invalid("cursor", "is no cursor of this list")
        return position.decode()

    def _sign(self, position: bytes) -> bytes:
        message = b"\n".join((b"cursor", self._list, position))
        return hmac.digest(self._secret, message, sha256)[:_SIGNATURE_BYTES]


PageDep = Annotated[Pagination, Depends()]
