"""Refunds whose outcome changes later: a webhook is the hint to ask, a look-up asks where no webhook came.

One that was pending ends, and one that had been sent comes back: the bank could not give it to the customer.
"""

import asyncio
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from perennial.db.repositories import credit_notes
from perennial.db.repositories.credit_notes import PendingRefund
from perennial.engine.context import Engine
from perennial.engine.disputes import domain_time
from perennial.ports import GatewayError, GatewayEvent, GatewayEventKind

_KINDS = frozenset({GatewayEventKind.REFUND_SUCCEEDED, GatewayEventKind.REFUND_FAILED})
_PAGE = 100


def is_refund(event: GatewayEvent) -> bool:
    return event.kind in _KINDS


async def hear(engine: Engine, gateway: str, event: GatewayEvent) -> None:
    """A refund of a charge has ended, says its gateway: it is asked which one and how. Raises GatewayError."""
    if event.charge_key is not None:
        await look_up(engine, gateway, event.charge_key)


async def look_up(engine: Engine, gateway: str, charge_key: str) -> int:
    """Ask after each refund of a charge that has not failed; of how many that was news. Raises GatewayError."""
    found = await engine.read(lambda session: credit_notes.standing_of_charge(session, gateway, charge_key))
    return sum([await _look_up(engine, refund) for refund in found])


async def look_up_all(engine: Engine) -> int:
    """Ask after each refund that a gateway has in hand; one that does not answer is asked the next time.

    Answers how many have ended.
    """
    after, ended = "", 0
    while True:
        page = await engine.read(partial(credit_notes.in_hand, after=after, limit=_PAGE))
        for refund in page:
            try:
                ended += await _look_up(engine, refund)
            except GatewayError:
                continue
        if len(page) < _PAGE:
            return ended
        after = page[-1].key


async def _look_up(engine: Engine, refund: PendingRefund) -> bool:
    """Whether it has ended, and that is news. What its gateway does not know is still with whoever sends it."""
    told = await asyncio.to_thread(engine.gateways[refund.gateway].find_refund, refund.key)
    if told is None:
        return False

    def write(session: Session) -> bool:
        at: datetime = domain_time(engine, session, refund.charge_key)
        return credit_notes.answer(session, refund, told, at)

    return await engine.write(write)
