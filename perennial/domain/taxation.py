"""Which taxes a sale bears, and why: electronic services to consumers and businesses. Pure; total.

`docs/billing-rules/tax.md` decides the rules and names their sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from perennial.domain.tax import DatedRate, Registration, Sale, TaxCategory, TaxRate

ONE_STOP_SHOP = "EU"
_STATES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU = frozenset(_STATES.split(" "))

REVERSE_CHARGE = "Reverse charge: VAT is owed by the recipient (Article 196 of Directive 2006/112/EC)"
RECIPIENT_OWES = "Reverse charge: the tax is owed by the recipient"
OUTSIDE_SCOPE = "Outside the scope of tax: the place of supply is where the customer is"
EXEMPT = "The customer is exempt from tax"
NO_RATE = "No tax rate is known for this place"

# Regions of states that are outside of the Union's VAT (Article 6 of the Directive), by their codes in ISO 3166-2.
_APART = frozenset({("ES", "CN"), ("ES", "CE"), ("ES", "ML"), ("FI", "01"), ("GR", "69")})
_SPANISH_ISLANDS = {"35": "CN", "38": "CN", "51": "CE", "52": "ML"}
# Treated as a part of another country (Article 7 of the Directive; the customs union of the Isle of Man).
_COUNTS_AS = {"MC": "FR", "IM": "GB"}
# What VAT numbers begin with, where that is not the country's code.
_PREFIXES = {"EL": "GR", "XI": "GB"}
# Outside of the Union, where a business that buys from abroad accounts for the tax itself.
_RECIPIENT_OWES = frozenset({"GB", "NO"})
_NOUGHT = Decimal(0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`why` is a sentence for people who ask; documents show the reasons of the taxes."""

    taxes: tuple[TaxRate, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Place:
    country: str
    region: str | None = None

    @property
    def in_union(self) -> bool:
        """Whether the VAT of the European Union is the law here."""
        return self.country in EU and not self.is_apart

    @property
    def is_apart(self) -> bool:
        """A region where the tax of its country is not the law."""
        return (self.country, self.region) in _APART

    def is_covered_by(self, registration: Registration) -> bool:
        if registration.country != self.country:
            return False
        return registration.region == self.region or (registration.region is None and not self.is_apart)

    def __str__(self) -> str:
        return f"{self.country}-{self.region}" if self.region else self.country


def decide(sale: Sale, rates: Sequence[DatedRate]) -> tuple[TaxRate, ...]:
    """Every tax on this sale, also one of nought that has to be stated; none where the seller collects none."""
    return judge(sale, rates).taxes


def judge(sale: Sale, rates: Sequence[DatedRate]) -> Judgement:
    """What `decide` decides, with the rule that led there."""
    seller, customer = sale.seller, sale.customer
    registered = tuple(each for each in seller.registrations if each.since is None or each.since <= sale.on)
    if not registered:
        return Judgement((), "the seller is registered for tax nowhere")
    if not seller.country:
        return Judgement((), "the seller has no country")
    home = place_of(seller.country, seller.region)
    if not customer.country:
        words = f"it is not known where the customer is, so the seller's own place counts ({home})"
        return _charged(sale, rates, home, home, registered, words)
    place = place_of(customer.country, customer.region, customer.postal_code)
    if business := _business_abroad(sale, home, place, registered):
        return business
    if home.in_union and place.in_union and place.country != home.country:
        if _is_registered(place, registered) or _has_one_stop_shop(registered):
            return _charged(sale, rates, place, home, registered, f"a consumer in the Union: the rate of {place}")
        words = f"a consumer in the Union, and no One-Stop-Shop: the rate of the seller, {home}"
        return _charged(sale, rates, home, home, registered, words)
    if _collects(place, home, registered):
        return _charged(sale, rates, place, home, registered, f"the seller collects tax in {place}")
    if _is_here(place, home) or not _has_national_tax(home, sale, rates):
        return Judgement((), f"the seller collects no tax in {place}")
    reason = TaxRate(str(place), "VAT", _NOUGHT, TaxCategory.OUTSIDE_SCOPE, OUTSIDE_SCOPE)
    return Judgement((reason,), f"the seller collects no tax in {place}: outside the scope")


def place_of(country: str, region: str | None = None, postal_code: str | None = None) -> Place:
    """Where that is for tax law. The islands and cities of Spain that have no VAT are known by their postal codes."""
    if country == "ES" and region is None:
        region = _SPANISH_ISLANDS.get((postal_code or "").strip()[:2])
    return Place(_COUNTS_AS.get(country, country), region)


def country_of_number(vat_number: str) -> str:
    """The country that gave the number: `EL123456789` is Greek."""
    return _PREFIXES.get(vat_number[:2], vat_number[:2])


def _business_abroad(sale: Sale, home: Place, place: Place, registered: tuple[Registration, ...]) -> Judgement | None:
    """Reverse charge, where it is the law. A local registration alone does not make the seller established there."""
    number = sale.customer.vat_number
    if number is None or place.country == home.country:
        return None
    issuer = country_of_number(number)
    if place.in_union and issuer in EU and issuer != home.country:
        if home.in_union or _is_registered(place, registered) or _has_one_stop_shop(registered):
            tax = TaxRate(str(place), "VAT", _NOUGHT, TaxCategory.REVERSE_CHARGE, REVERSE_CHARGE)
            return Judgement((tax,), f"a business in the Union with VAT number {number}: reverse charge")
        return None
    if place.country in _RECIPIENT_OWES and issuer == place.country and _is_registered(place, registered):
        tax = TaxRate(str(place), "VAT", _NOUGHT, TaxCategory.OUTSIDE_SCOPE, RECIPIENT_OWES)
        return Judgement((tax,), f"a business in {place} with VAT number {number} accounts for the tax itself")
    return None


def _collects(place: Place, home: Place, registered: tuple[Registration, ...]) -> bool:
    """Any tax at all: the country's, or one of its regions'."""
    if any(place.is_covered_by(each) for each in registered):
        return True
    if not place.in_union:
        return False
    # Whoever is registered in the Union at all and is at home there is so at home; the One-Stop-Shop is the Union.
    return (home.in_union and place.country == home.country) or _has_one_stop_shop(registered)


def _charged(
    sale: Sale,
    rates: Sequence[DatedRate],
    place: Place,
    home: Place,
    registered: tuple[Registration, ...],
    why: str,
) -> Judgement:
    if not _collects(place, home, registered):
        return Judgement((), f"{why}, where the seller collects no tax")
    found = _due(place, registered, _rates_of(place, sale, rates))
    if not found:
        return Judgement(
            (TaxRate(str(place), "Tax", _NOUGHT, TaxCategory.OUTSIDE_SCOPE, NO_RATE),), f"{why}: {NO_RATE}"
        )
    if sale.customer.exempt:
        first = replace(_stated(found[0]), percent=_NOUGHT, category=TaxCategory.EXEMPT, reason=EXEMPT)
        return Judgement((first,), f"{why}, but the customer is exempt")
    return Judgement(tuple(_stated(rate) for rate in found), why)


def _stated(rate: DatedRate) -> TaxRate:
    category = TaxCategory.STANDARD if rate.percent else TaxCategory.ZERO
    return TaxRate(rate.jurisdiction, rate.name, rate.percent, category)


def _rates_of(place: Place, sale: Sale, rates: Sequence[DatedRate]) -> tuple[DatedRate, ...]:
    """The country's, then the region's. Those of the merchant take the place of those that are packaged."""

    def at(region: str | None) -> tuple[DatedRate, ...]:
        for known in (sale.own_rates, rates):
            there = (r for r in known if (r.country, r.region) == (place.country, region) and r.holds(sale.on))
            if found := tuple(there):
                return found
        return ()

    regional = at(place.region) if place.region else ()
    if place.is_apart or any(rate.combined for rate in regional):
        return regional
    return (*at(None), *regional)


def _due(place: Place, registered: tuple[Registration, ...], rates: tuple[DatedRate, ...]) -> tuple[DatedRate, ...]:
    """A region's own tax is collected by those who are registered in the region, the country's by all others."""
    regional = any((each.country, each.region) == (place.country, place.region) for each in registered)
    national = place.in_union or any(each.country == place.country and each.region is None for each in registered)
    return tuple(
        rate for rate in rates if (regional if rate.region and not rate.combined else national or rate.combined)
    )


def _is_here(place: Place, home: Place) -> bool:
    return place.country == home.country and place.is_apart == home.is_apart


def _is_registered(place: Place, registered: tuple[Registration, ...]) -> bool:
    return any(each.country == place.country for each in registered)


def _has_one_stop_shop(registered: tuple[Registration, ...]) -> bool:
    return any(each.country == ONE_STOP_SHOP for each in registered)


def _has_national_tax(place: Place, sale: Sale, rates: Sequence[DatedRate]) -> bool:
    """Whether documents from here have to say something about the tax: not from the United States."""
    return any(rate.country == place.country and rate.region is None for rate in (*sale.own_rates, *rates))
