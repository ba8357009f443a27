"""Giving money back: the credit note first, then each of its refunds at the gateway."""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import credit_notes
from perennial.db.repositories.credit_notes import PendingRefund
from perennial.domain.subscription.effects import Credit
from perennial.gateways.enabled import Gateways
from perennial.ports import RefundRequest, RefundStatus


def promise(
    session: Session, subject: Subject, effect: Credit, as_of: datetime
) -> tuple[str | None, list[PendingRefund]]:
    """The credit note, once under its business key: its number, and its refunds that have still to be sent."""
    number = credit_notes.issue(session, subject, effect, as_of)
    return number, credit_notes.pending(session, effect.key)


def send(sessions: Sessions, gateways: Gateways, promised: list[PendingRefund], as_of: datetime) -> None:
    """Safe to repeat: a refund whose answer was lost is found again."""
    for refund in promised:
        gateway = gateways[refund.gateway]
        answer = gateway.find_refund(refund.key) or gateway.refund(_request(refund))
        with unit_of_work(sessions) as session:
            succeeded = answer.status is RefundStatus.SUCCEEDED
            credit_notes.finish(session, refund, answer.gateway_ref, as_of, succeeded=succeeded)


def _request(refund: PendingRefund) -> RefundRequest:
    return RefundRequest(
        key=refund.key,
        charge_key=refund.charge_key,
        gateway_ref=refund.charge_ref or "",
        amount=refund.amount,
        currency=refund.currency,
    )
