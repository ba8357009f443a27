"""The local mailbox: what customers were told."""

from datetime import datetime

from api.schemas.common import Outgoing


class MessageOut(Outgoing):
    """`delivered_at` is machine time, also for what happened on a test clock. `channel`: what the mailbox stood for."""

    id: str
    kind: str
    channel: str
    customer_id: str | None
    recipient: str
    subject: str
    body: str
    delivered_at: datetime
