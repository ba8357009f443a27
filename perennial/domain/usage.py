"""What is measured: meters choose events and make one number of them.

The database does the counting (`perennial.db.repositories.usage`); `aggregate` here says what it must come to.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from perennial.domain.errors import InvalidInput

NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
_EVENT_ID = re.compile(r"[!-~]{1,128}")
MOST_PROPERTIES = 50
LONGEST_VALUE = 500
_TOO_LARGE = 10**18
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class Aggregation(StrEnum):
    """What becomes of the events of a stretch. All but `count` look at the meter's property."""

    COUNT = "count"
    SUM = "sum"
    MAX = "max"
    UNIQUE = "unique"
    """How many different values the property has."""
    LAST = "last"
    """The value of the latest event; of two at one instant, of the greater id."""

    @property
    def needs_number(self) -> bool:
        return self in (Aggregation.SUM, Aggregation.MAX, Aggregation.LAST)


class Comparison(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EXISTS = "exists"

    @property
    def needs_number(self) -> bool:
        return self in (Comparison.GT, Comparison.GTE, Comparison.LT, Comparison.LTE)


@dataclass(frozen=True, slots=True)
class Filter:
    """Only events whose `property` compares so with `values`. A missing property passes `ne` alone."""

    property: str
    comparison: Comparison
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.property):
            raise InvalidInput("is no name of a property", field="property")
        needed = {Comparison.EXISTS: 0, Comparison.IN: None}.get(self.comparison, 1)
        if (needed is None and not self.values) or (needed is not None and len(self.values) != needed):
            raise InvalidInput(f"{self.comparison} needs {'some' if needed is None else needed} values", field="values")
        if self.comparison.needs_number and not NUMBER.fullmatch(self.values[0]):
            raise InvalidInput(f"{self.comparison} compares with a number", field="values")

    def passes(self, properties: Mapping[str, str]) -> bool:
        value = properties.get(self.property)
        match self.comparison:
            case Comparison.EXISTS:
                return value is not None
            case Comparison.NE:
                return value != self.values[0]
            case Comparison.EQ | Comparison.IN:
                return value in self.values
        if value is None or not NUMBER.fullmatch(value):
            return False
        number, bound = Decimal(value), Decimal(self.values[0])
        return {
            Comparison.GT: number > bound,
            Comparison.GTE: number >= bound,
            Comparison.LT: number < bound,
            Comparison.LTE: number <= bound,
        }[self.comparison]


@dataclass(frozen=True, slots=True)
class Meter:
    """Counts events called `event`. A meter never changes: another way of counting is another meter.

    Raises:
        InvalidInput: a name that is none, or a property that is missing or that nothing looks at.
    """

    code: str
    name: str
    event: str
    aggregation: Aggregation
    property: str | None = None
    filters: tuple[Filter, ...] = ()

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise InvalidInput("must be of a to z, 0 to 9, - and _", field="code")
        if not _NAME.fullmatch(self.event):
            raise InvalidInput("is no name of an event", field="event")
        if (self.property is None) != (self.aggregation is Aggregation.COUNT):
            raise InvalidInput(
                f"{self.aggregation} {'counts events' if self.property else 'needs one'}", field="property"
            )
        if self.property is not None and not _NAME.fullmatch(self.property):
            raise InvalidInput("is no name of a property", field="property")


class WrongEvents(InvalidInput):
    """None of a batch was taken. `wrong` are (field, what is wrong with it), with the place of each event."""

    code = "wrong_usage_events"

    def __init__(self, wrong: Sequence[tuple[str, str]]) -> None:
        where, message = wrong[0]
        super().__init__(f"{where}: {message}", field=where)
        self.wrong = tuple(wrong)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at` (UTC). Properties are texts; numbers are decimal strings."""

    id: str
    name: str
    at: datetime
    properties: Mapping[str, str]


def wrong_property(meter: Meter, event: Event) -> str | None:
    """The property in which the event holds no number although the meter needs one there; None if all is well."""
    if meter.event != event.name or not all(each.passes(event.properties) for each in meter.filters):
        return None
    if meter.property is None or not meter.aggregation.needs_number:
        return None
    value = event.properties.get(meter.property)
    return None if value is not None and NUMBER.fullmatch(value) else meter.property


def counted(meter: Meter, events: Iterable[Event]) -> list[Event]:
    """The events that the meter looks at, oldest first."""
    chosen = [
        event
        for event in events
        if event.name == meter.event
        and all(each.passes(event.properties) for each in meter.filters)
        and (meter.property is None or _counts(meter, event.properties.get(meter.property)))
    ]
    return sorted(chosen, key=lambda event: (event.at, event.id))


def _counts(meter: Meter, value: str | None) -> bool:
    return value is not None and (not meter.aggregation.needs_number or NUMBER.fullmatch(value) is not None)


def aggregate(meter: Meter, events: Iterable[Event]) -> Decimal:
    """What the meter says of these events."""
    chosen = counted(meter, events)
    if meter.property is None:
        return Decimal(len(chosen))
    values = [event.properties[meter.property] for event in chosen]
    match meter.aggregation:
        case Aggregation.UNIQUE:
            return Decimal(len(set(values)))
        case Aggregation.SUM:
            return sum(_numbers(values), Decimal(0))
        case Aggregation.MAX:
            return max(_numbers(values), default=Decimal(0))
        case _:
            return Decimal(values[-1]) if values else Decimal(0)


def _numbers(values: Sequence[str]) -> list[Decimal]:
    return [Decimal(value) for value in values]


def wrong_id(event_id: str) -> str | None:
    """What is wrong with the id of an event, if anything."""
    return None if _EVENT_ID.fullmatch(event_id) else "must have 1 to 128 printable characters of ASCII and no blank"


def wrong_properties(properties: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first property that cannot be kept, and why; "" stands for all of them together.

    Floats are refused, for they are not exact: 0.1 is written "0.1".
    """
    if len(properties) > MOST_PROPERTIES:
        return "", f"has more than {MOST_PROPERTIES} entries"
    for name, value in properties.items():
        if not _NAME.fullmatch(name):
            return "", "letters, digits, _, ., : and - make the name of a property, at most 128"
        if isinstance(value, str):
            if len(value) > LONGEST_VALUE or not value.isprintable():
                return name, f"one line of at most {LONGEST_VALUE} characters"
        elif not isinstance(value, int):
            return name, "must be a text, a whole number, true or false; a decimal is written as text"
        elif abs(value) >= _TOO_LARGE:
            return name, "has more than 18 digits"
    return None


def texts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as they are kept: numbers and booleans are written out."""
    return {
        name: value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in properties.items()
    }


def tidy(quantity: Decimal) -> Decimal:
    """The same number without zeros at its end: 2 for 2.0, and 1500 remains 1500. Exact, however many digits."""
    text = f"{quantity:f}"
    return Decimal(text.rstrip("0").rstrip(".")) if "." in text else quantity
