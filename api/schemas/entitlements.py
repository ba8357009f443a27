"""What a customer may do."""

from datetime import datetime
from decimal import Decimal

from api.schemas.common import Outgoing
from perennial.domain.entitlements import EntitlementKind


class EntitlementOut(Outgoing):
    """A feature, over all subscriptions with access.

    `allowed` is the answer; of a hard limit it is false when all of it is used. `limit` null is unlimited, `used` null
    is not measured; `over`: more was used than the limit holds. `values` are those of a text.
    """

    feature: str
    kind: EntitlementKind
    allowed: bool
    values: list[str]
    limit: Decimal | None
    used: Decimal | None
    remaining: Decimal | None
    over: bool
    hard: bool
    resets_at: datetime | None
    subscriptions: list[str]


class EntitlementsOut(Outgoing):
    """A feature that no plan names is not there: then it is not allowed."""

    customer_id: str
    data: list[EntitlementOut]
