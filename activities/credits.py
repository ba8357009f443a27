"""Giving money back: the credit note first, then each of its refunds at the gateway."""

from datetime import datetime

from sqlalchemy.orm import Session
from temporalio import activity

from activities.errors import translated
from perennial.contracts.activities import Subject
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import credit_notes
from perennial.db.repositories.credit_notes import PendingRefund
from perennial.domain.subscription.effects import Credit
from perennial.engine import refunds
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.ports import RefundRequest


def promise(
    session: Session, subject: Subject, effect: Credit, as_of: datetime
) -> tuple[str | None, list[PendingRefund]]:
    """The credit note, once under its business key: its number, and its refunds that have still to be sent."""
    number = credit_notes.issue(session, subject, effect, as_of)
    return number, credit_notes.pending(session, effect.key)


def send(sessions: Sessions, gateways: Gateways, promised: list[PendingRefund], as_of: datetime) -> None:
    """Safe to repeat: a refund whose answer was lost is found again.

    One that the gateway keeps pending is ended by a webhook or a later look-up (`perennial.engine.refunds`).
    """
    for refund in promised:
        gateway = gateways[refund.gateway]
        answer = gateway.find_refund(refund.key) or gateway.refund(_request(refund))
        with unit_of_work(sessions) as session:
            credit_notes.answer(session, refund, answer, as_of)


class RefundActivities:
    """Refunds that gateways keep pending."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @activity.defn
    async def look_up_refunds(self) -> int:
        """Ask after each of them; how many have ended. A webhook that was lost is made good here."""
        with translated():
            return await refunds.look_up_all(self._engine)


def _request(refund: PendingRefund) -> RefundRequest:
    return RefundRequest(
        key=refund.key,
        charge_key=refund.charge_key,
        gateway_ref=refund.charge_ref or "",
        amount=refund.amount,
        currency=refund.currency,
    )
