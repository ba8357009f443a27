"""HTTP for Stripe's SDK, over httpx: with our time-outs, and with the difference that decides what may be sent again.

The SDK's own clients raise one error for a refused connection (nothing can have happened) and for a lost answer (money
may have moved).
"""

from collections.abc import Mapping
from typing import Any

import httpx
import stripe

# A confirmation waits for the card's bank; Stripe itself gives up before this.
READ_SECONDS = 60.0
CONNECT_SECONDS = 5.0


class NoAnswer(stripe.APIConnectionError):
    """The request went out, and what became of it is not known."""

    def __init__(self, error: httpx.HTTPError) -> None:
        super().__init__(type(error).__name__)  # type: ignore[no-untyped-call]  # the SDK gives it no types


class NotSent(NoAnswer):
    """No connection was made, so Stripe has seen nothing of the request."""


class Transport(stripe.HTTPClient):
    """Connections are shared by the threads of a process."""

    name = "httpx"

    def __init__(self, read_seconds: float = READ_SECONDS) -> None:
        super().__init__()
        self._http = httpx.Client(timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS))

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        try:
            answer = self._http.request(method.upper(), url, headers=dict(headers or {}), content=post_data or None)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(error) from error
        except httpx.HTTPError as error:
            raise NoAnswer(error) from error
        return answer.text, answer.status_code, answer.headers

    def close(self) -> None:
        self._http.close()
