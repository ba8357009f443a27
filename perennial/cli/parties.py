"""Options that customers and the seller have in common, and how their texts become values."""

import re
from typing import Annotated, Any

import typer

from perennial.domain.tax import Registration
from perennial.engine.customers import Evidence, EvidenceKind

_PLACE = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")

Line1 = Annotated[str | None, typer.Option(help="Street and number.", metavar="TEXT")]
Line2 = Annotated[str | None, typer.Option(help="Second line of the address.", metavar="TEXT")]
PostalCode = Annotated[str | None, typer.Option(help="Postal code.", metavar="CODE")]
City = Annotated[str | None, typer.Option(help="City.", metavar="NAME")]
RegionCode = Annotated[str | None, typer.Option(help="ISO 3166-2 without the country, for example BC.", metavar="CODE")]
Country = Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-2, for example AT.", metavar="CODE")]
VatNumber = Annotated[str | None, typer.Option(help="Its form and check digits are looked at.", metavar="NUMBER")]
EvidenceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--evidence", help="What says where the customer is: ip=US, card=CA-BC, declared=CA.", metavar="KIND=PLACE"
    ),
]


def named(**options: Any) -> dict[str, Any]:
    """The options that were given; an empty text clears."""
    return {name: value if value != "" else None for name, value in options.items() if value is not None}


def place_of(text: str, option: str) -> tuple[str, str | None]:
    """`CA` or `CA-BC`."""
    match = _PLACE.fullmatch(text.strip().upper())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no place; write CA or CA-BC", param_hint=option)
    return match[1], match[2]


def evidence_of(texts: list[str] | None) -> tuple[Evidence, ...]:
    return tuple(_evidence(text) for text in texts or ())


def registrations_of(texts: list[str]) -> tuple[Registration, ...]:
    """`DE=DE136695976`, `CA-BC`, `EU`; the one word `none` takes all away."""
    if texts == ["none"]:
        return ()
    found = []
    for text in texts:
        place, _, number = text.partition("=")
        country, region = place_of(place, "--registration")
        found.append(Registration(country, region, number.strip() or None))
    return tuple(found)


def _evidence(text: str) -> Evidence:
    kind, _, place = text.partition("=")
    if kind not in set(EvidenceKind) - {EvidenceKind.BILLING_ADDRESS}:
        raise typer.BadParameter(f"{text!r}: write ip=US, card=CA-BC or declared=CA", param_hint="--evidence")
    return Evidence(EvidenceKind(kind), *place_of(place, "--evidence"))
