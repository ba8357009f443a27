"""Who sells to whom, as tax law and documents see it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from perennial.db.repositories.numbers import Numbering
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import Sale, TaxCustomer, TaxSeller


@dataclass(frozen=True, slots=True)
class Parties:
    """`buyer` and `seller` as they stand on documents; how tax is rounded and documents are numbered."""

    buyer: dict[str, Any]
    seller: dict[str, Any]
    tax_rounding: TaxRounding = TaxRounding.INVOICE
    numbering: Numbering = field(default_factory=Numbering)


def sale_for(session: Session, customer_id: str, currency: str, as_of: datetime) -> tuple[Sale, Parties]:
    return Sale(TaxSeller(None), TaxCustomer(None), as_of.date(), currency), Parties({}, {})
