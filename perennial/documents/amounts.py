"""Amounts as EN 16931 takes them: major units with two digits after the point at most."""

from dataclasses import dataclass
from decimal import Decimal

from perennial.documents.document import NoEInvoice
from perennial.domain.money import Money, exponent

_MOST_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Amounts:
    document: str
    currency: str

    def of(self, minor: int) -> Decimal:
        """Raises NoEInvoice for an amount that needs a third digit (of a Kuwaiti dinar, for example)."""
        major = Money(minor, self.currency).major
        if exponent(self.currency) <= _MOST_DIGITS:
            return major
        short = round(major, _MOST_DIGITS)
        if short != major:
            raise NoEInvoice(self.document, f"{self.currency} {major} has more than two digits after the point")
        return short
