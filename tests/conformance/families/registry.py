"""Which families this engine answers. A vector file of any other family fails."""

from collections.abc import Mapping

from tests.conformance.families import calendar, dunning, invoice, pricing, proration, revenue_recognition
from tests.conformance.schema import Kind

FAMILIES: dict[str, Mapping[str, Kind] | Mapping[None, Kind]] = {
    "calendar": calendar.KINDS,
    "proration": proration.KINDS,
    "pricing": pricing.KINDS,
    "invoice": invoice.KINDS,
    "dunning": dunning.KINDS,
    "revenue_recognition": revenue_recognition.KINDS,
}
