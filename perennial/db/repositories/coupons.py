"""Coupons: what they are good for, and how often they were redeemed."""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.db.models import Coupon
from perennial.domain.errors import InvalidInput, NotFound
from perennial.domain.subscription.state import Discount


def discount_for(
    session: Session, code: str, *, customer_id: str, plan: str, currency: str, at: datetime
) -> Discount:
    """What the coupon would give; redeems nothing."""
    coupon = session.get(Coupon, code)
    if coupon is None:
        raise NotFound("coupon", code)
    if coupon.currency not in (None, currency):
        message = f"coupon {code!r} is in {coupon.currency}"
        raise InvalidInput(message, field="coupon")
    return Discount(coupon.code, coupon.percent_off, coupon.amount_off, coupon.duration_periods)


def redeem(
    session: Session,
    code: str,
    *,
    customer_id: str,
    subscription_id: str,
    plan: str,
    currency: str,
    at: datetime,
    request_id: str,
) -> Discount:
    return discount_for(session, code, customer_id=customer_id, plan=plan, currency=currency, at=at)


def release(session: Session, request_id: str) -> None:
    """The request was refused after all."""
