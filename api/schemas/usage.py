"""Usage events, and what they have come to."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Body
from pydantic import Discriminator, Field, StrictStr, Tag, WithJsonSchema

from api.schemas.common import Id, Incoming, Instant, Minor, Outgoing, examples
from api.schemas.meters import UsageName
from perennial.engine.usage import MOST_EVENTS, NewEvent

_EXAMPLE = {
    "id": "3f0c9a52-7d1b-4a57-9f6e-2b8f4f0c7a11",
    "customer_id": "cus_0123456789abcdef01234567",
    "name": "api_call",
    "at": "2026-11-20T10:00:00Z",
    "properties": {"status": "200", "region": "eu"},
}

# The domain looks at each property and names the one that is wrong.
Properties = Annotated[
    dict[StrictStr, Any],
    WithJsonSchema(
        {
            "type": "object",
            "title": "Properties",
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
            "description": "At most 50. A decimal is written as text, '12.5': numbers with a fraction are refused.",
        }
    ),
]


class NewUsageEvent(Incoming):
    """Something that was used. The same `id` again is the same event: it counts once."""

    model_config = examples(_EXAMPLE)

    id: Annotated[StrictStr, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
    customer_id: Id
    subscription_id: Annotated[Id | None, Field(description="Needed when the customer has several.")] = None
    name: UsageName
    at: Annotated[Instant, Field(description="When it was used; not in the future.")]
    properties: Properties = Field(default_factory=dict)

    def event(self) -> NewEvent:
        return NewEvent(
            id=self.id,
            customer_id=self.customer_id,
            subscription_id=self.subscription_id,
            name=self.name,
            at=self.at,
            properties=self.properties,
        )


class NewUsageEvents(Incoming):
    """A batch: all of them are taken, or none."""

    model_config = examples({"events": [_EXAMPLE]})

    events: Annotated[list[NewUsageEvent], Field(min_length=1, max_length=MOST_EVENTS)]


def _kind(body: Any) -> str:
    return "[batch]" if isinstance(body, NewUsageEvents) or (isinstance(body, dict) and "events" in body) else "[one]"


UsageBody = Annotated[
    Annotated[NewUsageEvent, Tag("[one]")] | Annotated[NewUsageEvents, Tag("[batch]")],
    Discriminator(_kind),
    Body(
        openapi_examples={
            "one": {"summary": "One event", "value": _EXAMPLE},
            "batch": {"summary": "A batch", "value": {"events": [_EXAMPLE]}},
        }
    ),
]


class IngestedOut(Outgoing):
    """`duplicates` had come before. `unattributed`: of customers without a live subscription; kept, never billed."""

    accepted: int
    duplicates: int
    unattributed: int


class UsageEventOut(Outgoing):
    """`late`: it came after its time had been billed, and stands on the next invoice."""

    id: str
    customer_id: str
    subscription_id: str | None
    name: str
    at: datetime
    properties: dict[str, str]
    received_at: datetime
    late: bool


class ChargeUsageOut(Outgoing):
    """What a meter says of a stretch, and what it costs as priced: without discounts and tax."""

    code: str
    name: str
    meter: str
    start: datetime
    end: datetime
    quantity: Decimal
    amount: Minor


class UsageOut(Outgoing):
    """What the next invoice would bill as of `as_of`; `late` is what came late for stretches that were billed."""

    subscription_id: str
    currency: str
    as_of: datetime
    charges: list[ChargeUsageOut]
    late: list[ChargeUsageOut]
