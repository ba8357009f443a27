"""Moving the subscribers of a plan to another version of it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt

from api.schemas.commands import Prorated
from api.schemas.common import Currency, Outgoing, examples
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import When
from perennial.engine.plan_migrations import ItemStatus, MigrationStatus

_Version = Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class NewPlanMigration(Prorated):
    """Everybody who is on an older version; or only those of some versions, or of one currency."""

    model_config = examples({}, {"when": "now", "currency": "EUR"}, {"to_version": 3, "from_versions": [1, 2]})

    to_version: _Version | None = Field(default=None, description="Null: the newest.")
    from_versions: Annotated[list[_Version], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Null: all that are older than `to_version`."
    )
    currency: Currency | None = Field(default=None, description="Only who pays in it; null: everybody.")
    when: When = Field(default=When.PERIOD_END, description="`now` prorates.")
    proration: ProrationBasis | None = Field(default=None, description="Null: as the plan says.")


class PlanMigrationOut(Outgoing):
    """`counts` says how many subscriptions stand where. Who was scheduled and has moved since counts as migrated."""

    id: str
    plan: str
    to_version: int
    from_versions: list[int]
    currency: str | None
    when: When
    proration: ProrationBasis | None
    status: MigrationStatus
    counts: dict[ItemStatus, int]
    effective_at: datetime
    created_at: datetime
    finished_at: datetime | None


class PlanMigrationItemOut(Outgoing):
    """`code` and `message` say why a subscription was refused, or how asking it failed."""

    subscription_id: str
    status: ItemStatus
    code: str | None
    message: str | None


class PreviewedItemOut(Outgoing):
    """Minor units. `current_amount` and `new_amount`: a whole period as priced, coupons off, taxes and usage not in it.

    `amount_due` would be charged now, `credit_issued` given; `next_amount` is the invoice after it, with its taxes. Who
    would be refused has a `code` and a `message` instead.
    """

    subscription_id: str
    customer_id: str
    from_version: int
    quantity: int
    currency: str
    current_amount: int
    new_amount: int | None
    amount_due: int | None
    credit_issued: int | None
    next_invoice_at: datetime | None
    next_amount: int | None
    lost_addons: list[str] = Field(description="Add-ons that the new version does not have.")
    code: str | None
    message: str | None


class CurrencyTotalOut(Outgoing):
    """Sums of the page. Who would be refused is counted, and is in no sum."""

    currency: str
    subscriptions: int
    refused: int
    current_amount: int
    new_amount: int
    amount_due: int
    credit_issued: int


class PlanMigrationPreviewOut(Outgoing):
    """`count` is of everybody, `totals` are of the page. Give `effective_at` back to charge just this."""

    plan: str
    to_version: int
    from_versions: list[int]
    effective_at: datetime
    count: int
    totals: list[CurrencyTotalOut]
    data: list[PreviewedItemOut]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last one.")
