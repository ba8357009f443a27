"""What the relay asks of whatever brings messages to people."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from perennial.domain.errors import PerennialError


class DeliveryFailed(PerennialError):
    """A channel could not deliver a message now."""

    code: ClassVar[str] = "delivery_failed"


@dataclass(frozen=True, slots=True)
class Notification:
    """A rendered message. `key` (`notify:{kind}:{subject}`) makes delivery idempotent.

    `occurred_at` is domain time (aware UTC): on a test clock it may lie years ahead of the delivery.
    """

    key: str
    kind: str
    customer_id: str | None
    recipient: str
    subject: str
    body: str
    occurred_at: datetime
    channel: str = "email"


@runtime_checkable
class Notifier(Protocol):
    """What brings messages to people, by one or several channels (`email`, `sms`, ...)."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> tuple[str, ...]: ...

    def deliver(self, message: Notification) -> None:
        """Deliver once per `message.key`; a repeated key does nothing. Raises DeliveryFailed."""
