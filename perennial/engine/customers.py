"""Customers and the tokens of their payment methods."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from perennial.db.models import Customer, PaymentMethod
from perennial.domain import calendar
from perennial.domain.errors import InvalidInput, NotFound
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.ports import UnknownToken


async def create(engine: Engine, *, name: str, email: str, timezone: str = "UTC", id: str | None = None) -> Customer:
    """The same `id` again gives the customer that exists."""
    calendar.check_timezone(timezone)
    customer_id = id or new_id("cus")

    def insert(session: Session) -> Customer:
        found = session.get(Customer, customer_id)
        if found is None:
            found = Customer(id=customer_id, name=name, email=email, timezone=timezone, created_at=engine.clock())
            session.add(found)
        return found

    return await engine.write(insert)


async def get(engine: Engine, customer_id: str) -> Customer:
    return await engine.read(lambda session: require(session, customer_id))


def require(session: Session, customer_id: str, *, lock: bool = False) -> Customer:
    customer = session.get(Customer, customer_id, with_for_update={"key_share": True} if lock else None)
    if customer is None:
        raise NotFound("customer", customer_id)
    return customer


async def attach_payment_method(
    engine: Engine, customer_id: str, token: str, *, default: bool = True, id: str | None = None
) -> PaymentMethod:
    """Keep a gateway's token.

    Raises:
        InvalidInput: if the gateway does not know it.
    """
    method_id = id or new_id("pm")

    def insert(session: Session) -> PaymentMethod:
        require(session, customer_id, lock=True)
        if found := session.get(PaymentMethod, method_id):
            return found
        try:
            card = engine.gateway.describe_token(token)
        except UnknownToken as error:
            message = "the gateway does not know this payment method"
            raise InvalidInput(message, field="payment_method") from error
        first = default_method(session, customer_id) is None
        if default and not first:
            held = update(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.is_default)
            session.execute(held.values(is_default=False))
        method = PaymentMethod(
            id=method_id,
            customer_id=customer_id,
            gateway=engine.gateway.name,
            token=token,
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            is_default=default or first,
            created_at=engine.clock(),
        )
        session.add(method)
        return method

    return await engine.write(insert)


async def detach(engine: Engine, customer_id: str, method_id: str) -> None:
    """It is never charged again; its past payments keep it."""

    def mark(session: Session) -> None:
        method = session.get(PaymentMethod, method_id, with_for_update=True)
        if method is None or method.customer_id != customer_id or method.detached_at:
            raise NotFound("payment method", method_id)
        method.detached_at = engine.clock()
        method.is_default = False

    await engine.write(mark)


async def payment_methods(engine: Engine, customer_id: str) -> list[PaymentMethod]:
    def load(session: Session) -> list[PaymentMethod]:
        require(session, customer_id)
        attached = select(PaymentMethod).where(
            PaymentMethod.customer_id == customer_id, PaymentMethod.detached_at.is_(None)
        )
        return list(session.scalars(attached.order_by(PaymentMethod.created_at, PaymentMethod.id)))

    return await engine.read(load)


def default_method(session: Session, customer_id: str) -> PaymentMethod | None:
    return session.scalar(
        select(PaymentMethod).where(
            PaymentMethod.customer_id == customer_id,
            PaymentMethod.is_default,
            PaymentMethod.detached_at.is_(None),
        )
    )


def require_method(session: Session, customer_id: str, method_id: str) -> PaymentMethod:
    """A usable method of this customer.

    Raises:
        InvalidInput: if it is somebody else's, detached or unknown.
    """
    method = session.get(PaymentMethod, method_id)
    if method is None or method.customer_id != customer_id or method.detached_at:
        message = f"customer {customer_id} has no payment method {method_id!r}"
        raise InvalidInput(message, field="payment_method_id")
    return method
