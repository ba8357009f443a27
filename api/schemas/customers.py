"""Customers and what may be shown of their cards."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.common import Code, Email, Incoming, Name, Outgoing, Timezone, Token, examples, wrong
from api.schemas.places import AddressIn, Country, Region, VatNumber, Words
from perennial.engine.customers import LONGEST_NET_DAYS, Evidence, EvidenceKind

_ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "timezone": "Europe/London"}
_COMPANY = {
    "name": "Marie Curie",
    "email": "marie@example.com",
    "timezone": "Europe/Paris",
    "locale": "fr-FR",
    "company": "Radium SARL",
    "address_line1": "12 rue Cuvier",
    "postal_code": "75005",
    "city": "Paris",
    "country": "FR",
    "vat_number": "FR40303265045",
    "net_days": 30,
}

Locale = Annotated[StrictStr, Field(min_length=2, max_length=35, description="BCP 47.", examples=["de-AT"])]
NetDays = Annotated[
    StrictInt,
    Field(ge=0, le=LONGEST_NET_DAYS, description="Days to pay an invoice that is sent; null: the card is charged."),
]


class EvidenceIn(Incoming):
    """What says where a customer is: the country of an IP address, a card, or the customer's own word."""

    kind: Literal[EvidenceKind.IP, EvidenceKind.CARD, EvidenceKind.DECLARED]
    country: Country
    region: Region | None = None


class CustomerDetails(AddressIn):
    locale: Locale | None = None
    company: Words | None = None
    vat_number: VatNumber | None = None
    tax_exempt: StrictBool | None = None
    net_days: NetDays | None = None
    customer_group: Code | None = Field(default=None, description="Who is treated alike when a payment fails.")
    location_evidence: tuple[EvidenceIn, ...] = Field(default=(), max_length=10)


class NewCustomer(CustomerDetails):
    model_config = examples(_ADA, _COMPANY)

    name: Name
    email: Email
    timezone: Timezone = "UTC"


class CustomerChange(CustomerDetails):
    """Only what is named changes; null clears what a customer need not have. Subscriptions keep their time zone."""

    model_config = examples({"email": "ada@lovelace.example"}, {"country": "CA", "region": "BC"})

    name: Name | None = None
    email: Email | None = None
    timezone: Timezone | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise wrong("name", "nothing to change: give name, email, timezone or another field")
        return self


def fields_of(body: CustomerDetails) -> dict[str, Any]:
    """What the caller has named, as `perennial.engine.customers` takes it."""
    evidence = [Evidence(each.kind, each.country, each.region) for each in body.location_evidence]
    return body.model_dump(exclude_unset=True) | {"location_evidence": evidence}


class CustomerOut(Outgoing):
    """`vat_checked_at`: when the form and check digits of the VAT number were found right."""

    id: str
    name: str
    email: str
    timezone: str
    locale: str
    company: str | None
    address_line1: str | None
    address_line2: str | None
    postal_code: str | None
    city: str | None
    region: str | None
    country: str | None
    vat_number: str | None
    vat_checked_at: datetime | None
    tax_exempt: bool
    net_days: int | None
    customer_group: str | None
    created_at: datetime


class EvidenceOut(Outgoing):
    kind: EvidenceKind
    country: str
    region: str | None
    recorded_at: datetime


class NewPaymentMethod(Incoming):
    model_config = examples({"token": "pm_card_visa"}, {"token": "pm_card_mastercard", "default": False})

    token: Token
    default: StrictBool = True
    gateway: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] | None = Field(
        default=None, description="Whose token it is. Null: the first gateway that knows it."
    )


class PaymentMethodRoles(Incoming):
    """What is left out stays."""

    model_config = examples({"default": True}, {"backup": True})

    default: StrictBool | None = Field(default=None, description="What new subscriptions use.")
    backup: StrictBool | None = Field(default=None, description="Tried once when another method is declined.")


class PaymentMethodOut(Outgoing):
    """The token itself is never shown again."""

    id: str
    customer_id: str
    gateway: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    is_backup: bool
    created_at: datetime


class PaymentMethods(Outgoing):
    data: list[PaymentMethodOut]
