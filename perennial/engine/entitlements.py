"""What a customer may do, asked by the merchant's own application at every turn: one statement a time."""

from perennial.db.repositories import entitlements
from perennial.domain.entitlements import Standing, together
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine


async def of_customer(engine: Engine, customer_id: str) -> tuple[Standing, ...]:
    """Every feature of every live subscription with access, put together.

    Raises:
        NotFound: there is no such customer.
    """
    held = await engine.read(lambda session: entitlements.held_by(session, customer_id))
    if held is None:
        raise NotFound("customer", customer_id)
    return together(held)
