"""Meters: what is counted, and how."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictStr

from api.errors import invalid
from api.schemas.common import Incoming, Name, Outgoing, examples
from perennial.domain.errors import InvalidInput
from perennial.domain.usage import Aggregation, Comparison, Filter, Meter

MeterCode = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
# Of an event or a property.
UsageName = Annotated[StrictStr, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
_Value = Annotated[StrictStr, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class FilterBody(Incoming):
    """Only events whose property compares so. `in` has several values, `exists` none, the others one."""

    property: UsageName
    comparison: Comparison
    values: Annotated[list[_Value], Field(max_length=100)] = Field(default_factory=list)


class NewMeter(Incoming):
    """A meter never changes. All but `count` look at a property: `sum`, `max` and `last` at the number in it."""

    model_config = examples(
        {
            "code": "api_calls",
            "name": "API calls",
            "event": "api_call",
            "aggregation": "count",
            "filters": [{"property": "status", "comparison": "ne", "values": ["500"]}],
        },
        {"code": "traffic_gb", "name": "Traffic in GB", "event": "transfer", "aggregation": "sum", "property": "gb"},
    )

    code: MeterCode
    name: Name
    event: Annotated[UsageName, Field(description="The name of the events that it looks at.")]
    aggregation: Aggregation
    property: UsageName | None = None
    filters: Annotated[list[FilterBody], Field(max_length=20)] = Field(default_factory=list)

    def terms(self) -> Meter:
        """What the domain makes of it. Raises Problem: 422, naming the field."""
        filters = tuple(_filter(n, part) for n, part in enumerate(self.filters))
        return Meter(self.code, self.name, self.event, self.aggregation, self.property, filters)


class FilterOut(Outgoing):
    property: str
    comparison: str
    values: list[str]


class MeterOut(Outgoing):
    code: str
    name: str
    event: str
    aggregation: str
    property: str | None
    filters: list[FilterOut]
    created_at: datetime
    archived_at: datetime | None


def _filter(n: int, part: FilterBody) -> Filter:
    try:
        return Filter(part.property, part.comparison, tuple(part.values))
    except InvalidInput as error:
        raise invalid(f"filters[{n}].{error.field}", error.message) from error
