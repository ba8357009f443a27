"""Calendar months of a time zone: what books are kept by."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from perennial.domain import calendar
from perennial.domain.errors import InvalidInput

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_LAST = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, written `2027-03`."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidInput: if it is not written `2027-03`."""
        match = _MONTH.fullmatch(text)
        if match is None or match[1] == "0000":
            raise InvalidInput(f"{text!r} is no month (2027-03)", field="month")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, at: datetime, timezone: str) -> Self:
        """The month in which the instant lies, on the calendar of the zone."""
        wall = calendar.to_wall(at, timezone)
        return cls(wall.year, wall.month)

    @property
    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.number == _LAST else Month(self.year, self.number + 1)

    @property
    def previous(self) -> "Month":
        return Month(self.year - 1, _LAST) if self.number == 1 else Month(self.year, self.number - 1)

    def start(self, timezone: str) -> datetime:
        """The instant (UTC) at which it begins there."""
        return calendar.to_instant(datetime(self.year, self.number, 1), timezone)  # noqa: DTZ001 - a wall time

    def end(self, timezone: str) -> datetime:
        """The instant (UTC) at which it is over there and the next one begins."""
        return self.next.start(timezone)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
