"""Routing rules, and the tokens of a payment method at several gateways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Customer, PaymentMethod, PaymentMethodToken, RoutingTable
from perennial.domain import routing
from perennial.domain.routing import NoGateway, Rule

_RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


@dataclass(frozen=True, slots=True)
class Way:
    """A payment method at one of its gateways."""

    gateway: str
    token: str


def table(session: Session) -> RoutingTable | None:
    """The one in force."""
    return session.scalar(select(RoutingTable).order_by(RoutingTable.id.desc()).limit(1))


def rules_of(row: RoutingTable | None) -> tuple[Rule, ...]:
    return _RULES.validate_python(row.rules) if row else ()


def replace(session: Session, rules: Sequence[Rule], now: datetime) -> RoutingTable:
    """Put these in force; rules that are in force already make no new row. Two at once: one after the other."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("routing", 0))))
    last, written = table(session), _RULES.dump_python(tuple(rules), mode="json")
    if last is not None and rules_of(last) == tuple(rules):
        return last
    row = RoutingTable(rules=written, created_at=now)
    session.add(row)
    session.flush()
    return row


def order(session: Session, customer_id: str, currency: str, takes: Mapping[str, bool]) -> tuple[str, ...]:
    """As `domain.routing.order`, by the rules in force and where the customer is. Raises NoGateway."""
    country = session.scalar(select(Customer.country).where(Customer.id == customer_id))
    return routing.order(rules_of(table(session)), customer_id, currency, country, takes)


def tokens(session: Session, method_id: str) -> dict[str, str]:
    """The tokens of a payment method by gateway; none for one that is detached."""
    usable = (PaymentMethod.id == method_id, PaymentMethod.detached_at.is_(None))
    own = select(PaymentMethod.gateway, PaymentMethod.token).where(*usable)
    further = (
        select(PaymentMethodToken.gateway, PaymentMethodToken.token)
        .join(PaymentMethod, PaymentMethod.id == PaymentMethodToken.payment_method_id)
        .where(*usable)
    )
    return {row.gateway: row.token for row in session.execute(further.union_all(own))}


def add_token(session: Session, method_id: str, gateway: str, token: str, now: datetime) -> None:
    """The card's token at one more gateway, or another one there."""
    row = upsert(PaymentMethodToken).values(payment_method_id=method_id, gateway=gateway, token=token, created_at=now)
    session.execute(
        row.on_conflict_do_update(index_elements=["payment_method_id", "gateway"], set_={"token": row.excluded.token})
    )


def ways(
    session: Session, method_id: str, customer_id: str, currency: str, takes: Mapping[str, bool]
) -> tuple[Way, ...]:
    """Where a payment method can be charged, the best first: at enabled gateways that take the currency."""
    held = tokens(session, method_id)
    try:
        best_first = order(session, customer_id, currency, takes)
    except NoGateway:
        return ()
    return tuple(Way(name, held[name]) for name in best_first if name in held)
