"""Cards that their banks have replaced behind the same token: what is shown of them follows."""

import asyncio

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from perennial.db.models import PaymentMethod, PaymentMethodToken
from perennial.engine.context import Engine
from perennial.ports import CardDetails, UnknownToken


async def refresh(engine: Engine, gateway: str, token: str) -> None:
    """Whatever the news was, and however late: the gateway is asked what the card is now.

    Raises GatewayError: it does not answer.
    """
    try:
        card = await asyncio.to_thread(engine.gateways[gateway].describe_token, token)
    except UnknownToken:
        return
    await engine.write(lambda session: _write(session, gateway, token, card))


def _write(session: Session, gateway: str, token: str, card: CardDetails) -> None:
    elsewhere = select(PaymentMethodToken.payment_method_id).where(
        PaymentMethodToken.gateway == gateway, PaymentMethodToken.token == token
    )
    own = (PaymentMethod.gateway == gateway) & (PaymentMethod.token == token)
    values = {
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
    }
    theirs = update(PaymentMethod).where(or_(own, PaymentMethod.id.in_(elsewhere)))
    session.execute(theirs.values(values).execution_options(synchronize_session=False))
    # Where a gateway does not tell cards apart, the name that we gave it stays. Gateways name one card differently.
    if card.fingerprint is not None:
        session.execute(
            update(PaymentMethod)
            .where(own)
            .values(fingerprint=card.fingerprint)
            .execution_options(synchronize_session=False)
        )
