"""Stripe's minor units, where they are not ISO 4217's.

Source: docs.stripe.com/currencies ("Minor units in API amounts", "Special cases"), as of 2026-11. HUF and TWD are
special for payouts only. What an account may really charge depends on its country: there Stripe has the last word.
"""

from perennial.domain.money import exponent
from perennial.ports import GatewayRefused

_ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
# Without a minor unit in the world, but for compatibility sent with two decimals that are always 00.
_STILL_TWO_DECIMAL = "ISK UGX"
_TWO_DECIMAL = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD XCG YER ZAR ZMW"
)
_THREE_DECIMAL = "BHD JOD KWD OMR TND"
# Amounts with so many digits must end in nought: the card networks behind Stripe have one digit less.
_TENS_ONLY = 3
# What any currency may have; Stripe allows less, by currency and account.
_LARGEST = 99_999_999_999

_DIGITS = {
    code: digits
    for digits, codes in ((0, _ZERO_DECIMAL), (2, _STILL_TWO_DECIMAL), (2, _TWO_DECIMAL), (3, _THREE_DECIMAL))
    for code in codes.split()
}
CURRENCIES = frozenset(_DIGITS)


def to_stripe(minor: int, currency: str) -> int:
    """Our minor units (ISO 4217) in Stripe's, exactly.

    Raises:
        GatewayRefused: no such currency at Stripe, or an amount that it cannot express. Nothing has been sent.
    """
    amount = _scaled(minor, _shift(currency))
    if amount is None:
        raise GatewayRefused(f"Stripe cannot express {minor} minor units of {currency}: it has no fractions there")
    if _DIGITS[currency] == _TENS_ONLY and amount % 10:
        raise GatewayRefused(f"Stripe wants {currency} in tens of its smallest unit, not {minor}")
    if not 0 < amount <= _LARGEST:
        raise GatewayRefused(f"{minor} minor units of {currency} cannot be charged or refunded")
    return amount


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's amount in our minor units; its currency comes in small letters. Raises GatewayRefused."""
    minor = _scaled(amount, -_shift(currency.upper()))
    if minor is None:
        raise GatewayRefused(f"{amount} of {currency} is no whole number of minor units")
    return minor


def _shift(currency: str) -> int:
    """How many digits more Stripe's amount has than ours."""
    if currency not in _DIGITS:
        raise GatewayRefused(f"Stripe charges no {currency!r}")
    return _DIGITS[currency] - exponent(currency)


def _scaled(amount: int, digits: int) -> int | None:
    if digits >= 0:
        return int(amount * 10**digits)
    quotient, rest = divmod(amount, 10**-digits)
    return None if rest else int(quotient)
