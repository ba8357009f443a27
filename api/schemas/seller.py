"""The seller, and where tax is collected."""

import base64
import binascii
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictStr
from pydantic_core import PydanticCustomError

from api.schemas.common import Email, Incoming, Name, Outgoing, Prose, Timezone, examples
from api.schemas.places import AddressIn, Day, Region, Words
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import Registration
from perennial.engine.logos import LARGEST, media_type
from perennial.engine.seller import Profile

_TEA = {
    "name": "Quantum Tea GmbH",
    "address_line1": "Teeweg 1",
    "postal_code": "20457",
    "city": "Hamburg",
    "country": "DE",
    "email": "billing@quantum-tea.example",
    "vat_number": "DE136695976",
    "register_number": "HRB 12345, Amtsgericht Hamburg",
    "iban": "DE89370400440532013000",
    "bic": "COBADEFFXXX",
    "timezone": "Europe/Berlin",
    "registrations": [{"country": "DE", "number": "DE136695976"}, {"country": "EU"}],
    "invoice_prefix": "QT",
    "numbers_by_year": True,
}


def _is_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "is not base64") from None
    return text


Logo = Annotated[
    StrictStr,
    AfterValidator(_is_base64),
    Field(
        min_length=1,
        max_length=4 * (LARGEST // 3 + 1),
        description=f"A PNG or SVG of at most {LARGEST // 1024} KiB, in base64.",
        json_schema_extra={"contentEncoding": "base64"},
    ),
]
Prefix = Annotated[StrictStr, Field(pattern=r"^[A-Z0-9-]{1,12}$", examples=["INV"])]
# Spaces are written for people; a bank number is the same without them.
BankNumber = Annotated[StrictStr, Field(min_length=8, max_length=48, pattern=r"^[0-9A-Za-z ]+$")]


class RegistrationIn(Incoming):
    """`EU` is the One-Stop-Shop: consumers in the whole Union."""

    country: Annotated[StrictStr, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2, or EU.")]
    region: Region | None = None
    number: Words | None = None
    since: Day | None = Field(default=None, description="The first day on which tax is collected; null: always.")


class SellerIn(AddressIn):
    """All of it: what is not given is cleared. Documents that were issued keep what they say."""

    model_config = examples(_TEA)

    name: Name
    email: Email | None = None
    phone: Words | None = None
    website: Words | None = None
    vat_number: Words | None = None
    register_number: Words | None = None
    iban: BankNumber | None = None
    bic: BankNumber | None = None
    logo: Logo | None = None
    footer: Prose | None = None
    timezone: Timezone = "UTC"
    registrations: tuple[RegistrationIn, ...] = Field(
        default=(), max_length=100, description="Where tax is collected. Without any, no invoice bears tax."
    )
    tax_rounding: TaxRounding = TaxRounding.INVOICE
    invoice_prefix: Prefix = "INV"
    credit_note_prefix: Prefix = "CN"
    numbers_by_year: StrictBool = False

    def profile(self) -> Profile:
        registrations = tuple(Registration(**each.model_dump()) for each in self.registrations)
        logo = base64.b64decode(self.logo) if self.logo else None
        return Profile(**self.model_dump() | {"registrations": registrations, "logo": logo})


class RegistrationOut(Outgoing):
    country: str
    region: str | None
    number: str | None
    since: date | None


class SellerOut(Outgoing):
    """`logo` in base64, as it is put."""

    name: str
    address_line1: str | None
    address_line2: str | None
    postal_code: str | None
    city: str | None
    region: str | None
    country: str | None
    email: str | None
    phone: str | None
    website: str | None
    vat_number: str | None
    register_number: str | None
    iban: str | None
    bic: str | None
    logo: str | None
    logo_type: Literal["image/png", "image/svg+xml"] | None
    footer: str | None
    timezone: str
    registrations: list[RegistrationOut]
    tax_rounding: TaxRounding
    invoice_prefix: str
    credit_note_prefix: str
    numbers_by_year: bool

    @classmethod
    def of(cls, profile: Profile) -> "SellerOut":
        values = {name: getattr(profile, name) for name in Profile.__slots__}
        logo = base64.b64encode(profile.logo).decode() if profile.logo else None
        values |= {"logo": logo, "logo_type": media_type(profile.logo).value if profile.logo else None}
        return cls.model_validate(values)
