"""Amounts: integers in the minor unit of an ISO 4217 currency, one rounding function, one way to split a whole.

There is no float on the way. Rates and shares are `Decimal` or `Fraction`, and `round_half_away` is called once for
each invoice line: rounding a second time is how a cent goes astray.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from perennial.domain.errors import CurrencyMismatch, InvalidInput, UnknownCurrency

# ISO 4217 list one, minor units, as of 2025-05-12, without units of account, metals and codes for tests. BGN stays for
# invoices that are older than Bulgaria's euro.
_TWO_DIGITS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

_EXPONENTS: dict[str, int] = {
    code: digits for digits, codes in ((0, _NO_DIGITS), (2, _TWO_DIGITS), (3, _THREE_DIGITS)) for code in codes.split()
}
CURRENCIES: frozenset[str] = frozenset(_EXPONENTS)


def exponent(currency: str) -> int:
    """Digits after the decimal point: 2 for USD, 0 for JPY, 3 for KWD.

    Raises:
        UnknownCurrency: for anything but an upper-case ISO 4217 code.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency) from None


def round_half_away(value: Fraction | Decimal | int) -> int:
    """The nearest integer; a tie goes away from zero (2.5 to 3, -2.5 to -3), as on paper invoices."""
    numerator, denominator = value.as_integer_ratio()
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded


def to_minor(major: Decimal | Fraction, currency: str) -> int:
    """Minor units of an amount in major units, rounded once.

    Raises:
        UnknownCurrency: if the currency is none.
    """
    return round_half_away(Fraction(major) * 10 ** exponent(currency))


def allocate(total: int, weights: Sequence[int | Fraction]) -> tuple[int, ...]:
    """Split `total` minor units in proportion to the weights, without losing one: the parts sum to the total.

    Largest remainder: floors first, then one unit each to the largest remainders, the earlier position first. A weight
    of zero gets nothing. A negative total is the mirror image of the positive one.

    Raises:
        InvalidInput: for a negative weight, or a total that no weight takes.
    """
    if any(weight < 0 for weight in weights):
        raise InvalidInput("a weight below zero has no share", field="weights")
    whole = sum(weights)
    if whole == 0:
        if total:
            raise InvalidInput(f"{total} cannot be split: every weight is zero", field="weights")
        return (0,) * len(weights)
    return apportion(total, [Fraction(total * weight, whole) for weight in weights])


def apportion(total: int, quotas: Sequence[Fraction]) -> tuple[int, ...]:
    """Round the quotas (any sign) so that they sum to `total`, by largest remainder; below zero the mirror image.

    Raises:
        InvalidInput: if the quotas are further from the total than rounding can bridge.
    """
    if total < 0:
        return tuple(-part for part in apportion(-total, [-quota for quota in quotas]))
    floors = [quota.numerator // quota.denominator for quota in quotas]
    rest = total - sum(floors)
    if not 0 <= rest <= len(quotas):
        raise InvalidInput(f"the quotas do not round to {total}", field="quotas")
    # sorted() is stable: equal remainders stay in their order
    by_remainder = sorted(range(len(quotas)), key=lambda i: floors[i] - quotas[i])
    for i in by_remainder[:rest]:
        floors[i] += 1
    return tuple(floors)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount. Arithmetic and order refuse to mix currencies.

    Raises:
        UnknownCurrency: if the currency is none.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)

    @property
    def major(self) -> Decimal:
        """In major units, with all digits of the currency: Decimal("12.30") for 1230 minor units of USD."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def _same(self, other: Self) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.minor

    def __add__(self, other: Self) -> "Money":
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Self) -> "Money":
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Self) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Self) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Self) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Self) -> bool:
        return self.minor >= self._same(other)

    def __str__(self) -> str:
        return f"{self.currency} {self.major:f}"
