"""Test clocks, and how far they are moved."""

import re
from datetime import datetime
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import Incoming, Instant, Name, Outgoing, examples, wrong

_DURATION = re.compile(
    r"P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)
Part = Annotated[StrictInt, Field(ge=0, le=700_000_000)]


class Duration(Incoming):
    """Calendar years and months are counted in UTC from where the clock stands; the rest is exact."""

    model_config = examples({"days": 31}, {"months": 1})

    years: Annotated[StrictInt, Field(ge=0, le=20)] = 0
    months: Annotated[StrictInt, Field(ge=0, le=240)] = 0
    weeks: Part = 0
    days: Part = 0
    hours: Part = 0
    minutes: Part = 0
    seconds: Part = 0


def _read(value: object) -> object:
    """ISO 8601 durations of whole numbers."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise PydanticCustomError("duration", "is no ISO 8601 duration of whole numbers, such as P1M, P31D or PT12H")
    try:
        return Duration(**{name: int(number) for name, number in match.groupdict().items() if number})
    except ValueError:
        raise PydanticCustomError("duration", "is longer than a clock moves") from None


DurationText = Annotated[StrictStr, Field(max_length=64, pattern=r"^P[0-9YMWDTHS]+$")]
AnyDuration = Annotated[Duration, BeforeValidator(_read, json_schema_input_type=Duration | DurationText)]


class NewTestClock(Incoming):
    model_config = examples({"name": "a year of renewals", "now": "2026-01-31T10:00:00Z"})

    name: Name
    now: Instant


class Advance(Incoming):
    """To an instant, or by a duration: ISO 8601 (`P1M`, `P10DT12H`) or its parts."""

    model_config = examples({"by": "P1M"}, {"by": {"days": 31}}, {"to": "2027-01-01T00:00:00Z"})

    to: Instant | None = None
    by: AnyDuration | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.to is None) == (self.by is None):
            raise wrong("to", "give either to or by")
        return self


class TestClockOut(Outgoing):
    """Status: ready, advancing."""

    __test__ = False

    id: str
    name: str
    now: datetime
    target: datetime | None
    status: str
    created_at: datetime
