"""Who sells in the demo, and where its people live: at home, in the Union, as a business there, and outside of it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from perennial.domain.tax import Registration
from perennial.engine.seller import Profile

SELLER = Profile(
    name="Perennial Gardens GmbH",
    address_line1="Lindenstraße 12",
    postal_code="10969",
    city="Berlin",
    country="DE",
    email="billing@perennial-gardens.example",
    website="https://perennial-gardens.example",
    vat_number="DE136695976",
    register_number="HRB 12345 B, Amtsgericht Charlottenburg",
    iban="DE02120300000000202051",
    bic="BYLADEM1001",
    footer="Managing director: Grace Hopper",
    timezone="Europe/Berlin",
    # At home, and for consumers elsewhere in the Union through the One-Stop-Shop.
    registrations=(Registration("DE"), Registration("EU")),
)


@dataclass(frozen=True, slots=True)
class Place:
    """`percent` is the tax that the script expects there; the engine is not asked."""

    country: str
    city: str
    postal_code: str
    percent: Decimal
    region: str | None = None
    company: str | None = None
    vat_number: str | None = None

    def with_tax(self, amount: int) -> int:
        """Minor units."""
        return amount + int((amount * self.percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


PLACES = (
    Place("DE", "Hamburg", "20095", Decimal(19)),
    Place("FR", "Lyon", "69001", Decimal(20)),
    Place("AT", "Wien", "1010", Decimal(0), company="Analytische Maschinen GmbH", vat_number="ATU13585627"),
    Place("US", "Portland", "97201", Decimal(0), region="OR"),
    Place("NL", "Utrecht", "3511", Decimal(21)),
    Place("JP", "Kyoto", "600-8216", Decimal(0)),
    Place("GB", "Bath", "BA1 1LZ", Decimal(0)),
)


def place_of(number: int) -> Place:
    """Where the person with this number lives."""
    return PLACES[number % len(PLACES)]
