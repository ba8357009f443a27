"""With which gateway something new is begun, and where else a card can be charged. The rules are rows."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.orm import Session

from perennial.db.models import PaymentMethod, PaymentMethodToken, RoutingTable
from perennial.db.repositories import routing as rows
from perennial.domain import routing
from perennial.domain.errors import InvalidInput, NotFound
from perennial.domain.routing import Rule
from perennial.engine import customers
from perennial.engine.context import Engine


async def choose(engine: Engine, customer_id: str, currency: str) -> str:
    """The gateway for a new payment method, set-up or checkout of this customer.

    Raises:
        NotFound: no such customer.
        NoGateway: no gateway that is enabled takes the currency.
    """
    return (await order(engine, customer_id, currency))[0]


async def order(engine: Engine, customer_id: str, currency: str) -> tuple[str, ...]:
    """That gateway, and those that come after it when it is out of order. Raises as `choose` does."""

    def read(session: Session) -> tuple[str, ...]:
        customers.require(session, customer_id)
        return order_within(engine, session, customer_id, currency)

    return await engine.read(read)


def order_within(engine: Engine, session: Session, customer_id: str, currency: str) -> tuple[str, ...]:
    """`order` within a transaction, for a customer that there is. Raises NoGateway."""
    return rows.order(session, customer_id, currency, engine.gateways.taking(currency))


async def table(engine: Engine) -> RoutingTable | None:
    """The rules in force with when they were set; None: everything goes to the primary gateway."""
    return await engine.read(rows.table)


async def replace(engine: Engine, rules: Sequence[Rule]) -> RoutingTable:
    """Put these rules in force, all at once. What has been begun stays where it is.

    Raises:
        InvalidInput: as `domain.routing.check`.
    """
    routing.check(rules, engine.gateways.names)
    return await engine.write(lambda session: rows.replace(session, rules, engine.clock()))


async def add_token(engine: Engine, customer_id: str, method_id: str, gateway: str, token: str) -> PaymentMethodToken:
    """The card of a payment method at one more gateway, where it is charged when the first is out of order.

    Raises:
        NotFound: no such payment method of this customer.
        InvalidInput: no such gateway, it does not know the token, or shows another card.
    """
    method = await engine.read(lambda session: _require(session, customer_id, method_id))
    if gateway == method.gateway:
        raise InvalidInput("the payment method is from this gateway", field="gateway")
    _, card = await asyncio.to_thread(customers.recognise, engine, token, gateway, field="token")
    if (card.last4, card.exp_month, card.exp_year) != (method.last4, method.exp_month, method.exp_year):
        raise InvalidInput("it is the token of another card", field="token")

    def write(session: Session) -> PaymentMethodToken:
        _require(session, customer_id, method_id)
        rows.add_token(session, method_id, gateway, token, engine.clock())
        return session.get_one(PaymentMethodToken, (method_id, gateway), populate_existing=True)

    return await engine.write(write)


async def tokens(engine: Engine, customer_id: str, method_id: str) -> dict[str, str]:
    """Where a payment method can be charged: its tokens by gateway. Raises NotFound."""

    def read(session: Session) -> dict[str, str]:
        _require(session, customer_id, method_id)
        return rows.tokens(session, method_id)

    return await engine.read(read)


def _require(session: Session, customer_id: str, method_id: str) -> PaymentMethod:
    method = session.get(PaymentMethod, method_id)
    if method is None or method.customer_id != customer_id or method.detached_at:
        raise NotFound("payment method", method_id)
    return method
