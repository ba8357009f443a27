"""VAT numbers: whether one can be right, found out by its form and check digits.

That is done here and now, by python-stdnum. Nobody is asked: neither VIES, the register of the European Commission,
nor a national one. A number that passes may never have been given to anybody, or not to this customer. Who needs more
than that asks VIES before a customer is made.
"""

import re

from stdnum.ch import vat as swiss
from stdnum.eu import vat as union
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as british
from stdnum.no import mva as norwegian

from perennial.domain.errors import InvalidInput
from perennial.domain.taxation import EU, country_of_number, place_of

_OUTSIDE = {"CH": swiss, "GB": british, "NO": norwegian}
_PREFIX = {"GR": "EL"}
_NOT_OF_A_NUMBER = re.compile(r"[\s.\-/]+")
_PLAIN = re.compile(r"[A-Z0-9]{4,20}")


def can_be_checked(country: str) -> bool:
    """Whether the numbers of this country have a form that is known."""
    country = place_of(country).country
    return country in EU or country in _OUTSIDE


def check_vat_number(number: str, country: str, *, field: str = "vat_number") -> str:
    """The number as it is kept: capitals, no blanks, with its country in front (`EL` for Greece).

    Raises:
        InvalidInput: if it cannot be a number of this country, or none of this country can be checked.
    """
    country = place_of(country).country
    if not can_be_checked(country):
        raise InvalidInput(f"VAT numbers of {country} cannot be checked", field=field)
    plain = _NOT_OF_A_NUMBER.sub("", number).upper()
    prefix = _PREFIX.get(country, country)
    if country == "GB" and plain.startswith("XI"):
        prefix = "XI"
    if plain.startswith(country) and prefix != country:
        plain = prefix + plain.removeprefix(country)
    if not plain.startswith(prefix):
        _refuse_foreign(plain, country, field)
        plain = prefix + plain
    if not _is_valid(plain, country):
        raise InvalidInput(f"is no VAT number of {country}", field=field)
    return plain


def _refuse_foreign(plain: str, country: str, field: str) -> None:
    other = country_of_number(plain)
    if can_be_checked(other) and _is_valid(plain, other):
        raise InvalidInput(f"is a VAT number of {other}, and the address is in {country}", field=field)


def _is_valid(plain: str, country: str) -> bool:
    if not _PLAIN.fullmatch(plain):  # the library passes over more signs than we do
        return False
    try:
        _validate(plain, country)
    except ValidationError:
        return False
    return True


def _validate(plain: str, country: str) -> None:
    match country:
        case "GB":
            british.validate(plain.removeprefix("GB").removeprefix("XI"))
        case "CH":
            swiss.validate(plain)
        case "NO":
            norwegian.validate(plain.removeprefix("NO"))
        case _:
            union.validate(plain)
