"""What a report is: a name, columns, parameters and a function from a session to rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from perennial.domain import calendar
from perennial.domain.errors import InvalidInput
from perennial.domain.money import exponent


class Kind(StrEnum):
    """What a value is, for whoever shows it. `money` is in minor units of the row's column `currency`."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    MONTH = "month"


class ParameterKind(StrEnum):
    INSTANT = "instant"
    DAY = "day"
    TIMEZONE = "timezone"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` as text, None: not restricted."""

    name: str
    kind: ParameterKind
    help: str
    default: str | None = None


Row = dict[str, Any]
Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """`run` takes what `parse` makes; its docstring gives the definitions of the columns."""

    name: str
    title: str
    columns: tuple[Column, ...]
    parameters: tuple[Parameter, ...]
    run: Callable[[Session, Parameters], list[Row]]

    @property
    def definition(self) -> str:
        return (self.run.__doc__ or "").strip()

    def parse(self, given: Mapping[str, str | None]) -> Parameters:
        """Typed parameters from text, defaults filled in.

        Raises:
            InvalidInput: a parameter that the report does not have, or a value that is none; `field` names it.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise InvalidInput(f"report {self.name!r} has no parameter {name!r}", field=name)
        return {name: _value(parameter, given.get(name) or parameter.default) for name, parameter in known.items()}


def _value(parameter: Parameter, text: str | None) -> Any:
    if text is None:
        return None
    match parameter.kind:
        case ParameterKind.INSTANT:
            return _instant(parameter.name, text)
        case ParameterKind.DAY:
            return _day(parameter.name, text)
        case ParameterKind.TIMEZONE:
            return calendar.check_timezone(text)
        case ParameterKind.CURRENCY:
            exponent(text.upper())
            return text.upper()


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day (2026-01-31)", field=name) from None


def _instant(name: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no instant (2026-01-31T10:00:00Z)", field=name) from None
    if instant.tzinfo is None:
        raise InvalidInput(f"{text!r} needs a time zone (2026-01-31T10:00:00Z)", field=name)
    return instant
