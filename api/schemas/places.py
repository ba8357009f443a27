"""Where customers and the seller are, and from which day on."""

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr
from pydantic_core import PydanticCustomError

from api.schemas.common import Incoming
from perennial.domain.errors import InvalidInput
from perennial.domain.places import check_country


def _country(code: str) -> str:
    try:
        return check_country(code)
    except InvalidInput as error:
        raise PydanticCustomError("country", "{message}", {"message": error.message}) from None


def _is_day(value: object) -> object:
    """ISO 8601 and nothing else: left alone, pydantic takes a number for seconds since 1970."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("day", "must be a day such as 2026-12-01")
    return value


def _in_range(day: date) -> date:
    if not EARLIEST <= day < LATEST:
        raise PydanticCustomError("day_range", "must lie between the years 1900 and 2199")
    return day


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)
Day = Annotated[date, BeforeValidator(_is_day), AfterValidator(_in_range)]
Country = Annotated[
    StrictStr,
    AfterValidator(_country),
    Field(description="ISO 3166-1 alpha-2.", json_schema_extra={"pattern": "^[A-Z]{2}$"}, examples=["AT"]),
]
Region = Annotated[
    StrictStr, Field(pattern=r"^[A-Z0-9]{1,3}$", description="ISO 3166-2 without the country.", examples=["BC"])
]
# Printable, on one line: what stands on a document.
Words = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
VatNumber = Annotated[
    StrictStr,
    Field(
        min_length=4,
        max_length=32,
        pattern=r"^[0-9A-Za-z .\-/]+$",
        description="Its form and check digits are looked at; no register is asked.",
        examples=["FR40303265045"],
    ),
]


class AddressIn(Incoming):
    address_line1: Words | None = None
    address_line2: Words | None = None
    postal_code: Words | None = None
    city: Words | None = None
    region: Region | None = None
    country: Country | None = None
