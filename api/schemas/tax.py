"""Tax rates of the merchant's own."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

from api.schemas.common import Incoming, Name, Outgoing, examples
from api.schemas.places import Country, Day, Region

Percent = Annotated[
    StrictStr, Field(pattern=r"^\d{1,3}(\.\d{1,6})?$", description="Per cent, 0 to 100.", examples=["8.875"])
]


class NewTaxRate(Incoming):
    """Holds from `valid_from` to the day before `valid_to`; without `valid_to` until it is ended."""

    model_config = examples(
        {"country": "US", "region": "NY", "name": "Sales tax", "percent": "8.875", "valid_from": "2026-01-01"}
    )

    country: Country
    region: Region | None = None
    name: Name
    percent: Percent
    combined: StrictBool = Field(
        default=False, description="The rate of a region holds that of its country, as Canadian HST does."
    )
    valid_from: Day
    valid_to: Day | None = None


class TaxRateChange(Incoming):
    """The first day on which the rate no longer holds; null: it holds until it is ended."""

    model_config = examples({"valid_to": "2027-01-01"})

    valid_to: Day | None


class TaxRateOut(Outgoing):
    id: str
    country: str
    region: str | None
    name: str
    percent: Decimal
    combined: bool
    valid_from: date
    valid_to: date | None
    created_at: datetime
