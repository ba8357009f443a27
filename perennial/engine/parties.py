"""What customers and the seller have in common: addresses, languages and VAT numbers that can be right."""

from collections.abc import Mapping
from typing import Any, TypedDict

from babel import Locale
from babel.core import UnknownLocaleError

from perennial.domain.errors import InvalidInput
from perennial.domain.places import check_country, check_region


class Address(TypedDict, total=False):
    """`country` is ISO 3166-1 alpha-2, `region` ISO 3166-2 without the country."""

    address_line1: str | None
    address_line2: str | None
    postal_code: str | None
    city: str | None
    region: str | None
    country: str | None


def check_place(place: Mapping[str, Any]) -> None:
    """Raises InvalidInput: no such country, or a region that is not in it."""
    if country := place.get("country"):
        check_country(country)
    if region := place.get("region"):
        check_region(country, region)


def check_locale(tag: str) -> str:
    """A BCP 47 tag whose numbers, dates and words we know how to write: `de-AT`. Raises InvalidInput."""
    try:
        return str(Locale.parse(tag, sep="-")).replace("_", "-")
    except (ValueError, UnknownLocaleError):
        raise InvalidInput("is no language that we can write (BCP 47, as in de-AT)", field="locale") from None
