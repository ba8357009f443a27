"""The words that all schemas share. What comes in is strict: nothing is converted, nothing unknown is passed over."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
)
from pydantic_core import PydanticCustomError

from perennial.domain import calendar
from perennial.domain.errors import UnknownCurrency, UnknownTimezone
from perennial.domain.money import exponent

# What a gateway takes for one charge, and far below what a column of the ledger holds.
MOST_MINOR_UNITS = 10**12
# Between them, every sum of instants and periods stays inside of the calendar.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII)


class Incoming(BaseModel):
    """A request body. An unknown field is refused: it means that the caller expects what we do not do."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Outgoing(BaseModel):
    """A part of an answer, read from a row or a dataclass."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def wrong(field: str, message: str) -> PydanticCustomError:
    """For a rule over several fields: the one to look at first is named, as if the rule were its own."""
    return PydanticCustomError("rule", "{message}", {"message": message, "field": field})


def examples(*values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(values)})


def _is_text(value: object) -> object:
    """ISO 8601 and nothing else: left alone, pydantic takes a number for seconds since 1970."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise PydanticCustomError("instant", "must be an ISO 8601 instant such as 2026-12-01T00:00:00Z")
    return value


def _in_range(instant: datetime) -> datetime:
    if not EARLIEST <= instant < LATEST:
        raise PydanticCustomError("instant_range", "must lie between the years 1970 and 2199")
    return instant.astimezone(UTC)


def _currency(code: str) -> str:
    try:
        exponent(code)
    except UnknownCurrency:
        raise PydanticCustomError("currency", "is no ISO 4217 currency code (upper case, as in USD)") from None
    return code


def _timezone(name: str) -> str:
    try:
        return calendar.check_timezone(name)
    except (UnknownTimezone, ValueError):
        raise PydanticCustomError("timezone", "is no IANA time zone (such as Europe/Vienna)") from None


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_is_text),
    AfterValidator(_in_range),
    Field(description="ISO 8601 with a zone or `Z`; local times without one are refused."),
]
Currency = Annotated[
    StrictStr,
    AfterValidator(_currency),
    Field(description="ISO 4217, upper case.", json_schema_extra={"format": "iso-4217", "pattern": "^[A-Z]{3}$"}),
]
Timezone = Annotated[
    StrictStr,
    AfterValidator(_timezone),
    Field(max_length=64, description="An IANA name.", json_schema_extra={"format": "iana-time-zone"}),
]
Minor = Annotated[StrictInt, Field(description="Minor units (cents of USD, yen, fils of KWD): a whole number.")]
MinorIn = Annotated[Minor, Field(ge=1, le=MOST_MINOR_UNITS)]
Quantity = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
# Printable, on one line. PostgreSQL holds no NUL, and a line break in a name is somebody's trick with a mail header.
Name = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Email = Annotated[
    StrictStr,
    Field(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$", examples=["ada@example.com"]),
]
Prose = Annotated[StrictStr, Field(max_length=2000, pattern=r"^[^\x00]*$")]
# An id that a body names. What it names is looked up; its form is only kept from being absurd.
Id = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Code = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Token = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[A-Za-z0-9_:.-]+$",
        description="A gateway's token of a payment method. Never a card number.",
    ),
]
