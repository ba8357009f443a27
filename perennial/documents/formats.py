"""Numbers, amounts and days as the reader writes them, by CLDR (babel).

The digits after the point are the engine's, not CLDR's: it gives the Iraqi dinar none where the books keep three.
"""

import copy
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval
from babel.numbers import NumberPattern

from perennial.documents.document import Days
from perennial.domain.money import Money, exponent

# A true minus is as wide as a figure, and read out as what it is.
_MINUS = "\N{MINUS SIGN}"
_GAP = "\N{NO-BREAK SPACE}"
# CLDR wants a gap between a code of letters and a figure ("KWD 1.250"); babel leaves it out.
_GLUED = re.compile(rf"(?<=[A-Za-z])(?=[\d{_MINUS}])|(?<=\d)(?=[A-Za-z])")
_FINEST = 12


@dataclass(frozen=True, slots=True)
class Formats:
    """The habits of one locale."""

    locale: Locale

    def money(self, minor: int, currency: str) -> str:
        """With the currency's sign: `1.234,50 €`."""
        return self._money(Money(minor, currency).major, currency, exponent(currency))

    def unit_price(self, major: Decimal, currency: str) -> str:
        """As fine as the price is: `$0.00035`."""
        return self._money(major, currency, _FINEST)

    def amount(self, minor: int, currency: str) -> str:
        """Without a sign, for columns: `1.234,50`."""
        digits = exponent(currency)
        return self._number(self.locale.decimal_formats[None], Money(minor, currency).major, (digits, digits))

    def number(self, value: Decimal) -> str:
        return self._number(self.locale.decimal_formats[None], value, (0, _FINEST))

    def percent(self, value: Decimal) -> str:
        """`value` in percent: 19 is `19 %`."""
        return self._number(self.locale.percent_formats[None], value / 100, (0, _FINEST))

    def day(self, day: date) -> str:
        return str(format_date(day, "long", self.locale))

    def days(self, days: Days) -> str:
        if days.first == days.last:
            return str(format_date(days.first, "medium", self.locale))
        return str(format_interval(days.first, days.last, "yMMMd", locale=self.locale))

    def country(self, code: str) -> str:
        return str(self.locale.territories.get(code, code))

    def _money(self, major: Decimal, currency: str, most: int) -> str:
        pattern = self.locale.currency_formats["standard"]
        text = self._number(pattern, major, (exponent(currency), most), currency=currency)
        return _GLUED.sub(_GAP, text)

    def _number(self, of: NumberPattern, value: Decimal, digits: tuple[int, int], currency: str | None = None) -> str:
        pattern = copy.copy(of)
        pattern.frac_prec = digits
        text: str = pattern.apply(value, self.locale, currency=currency, currency_digits=False)
        return text.replace("-", _MINUS)


def formats(tag: str, languages: frozenset[str]) -> Formats:
    """The habits of a BCP 47 tag, if its language is one of `languages`.

    Otherwise those of English speakers in the same country: `sv-SE` reads English words with Swedish figures.
    """
    try:
        locale = Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError, TypeError):
        return Formats(Locale("en"))
    if locale.language in languages:
        return Formats(locale)
    try:
        return Formats(Locale("en", locale.territory))
    except UnknownLocaleError:
        return Formats(Locale("en"))
