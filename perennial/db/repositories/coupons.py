"""Redeeming coupons: never more often than a coupon allows, once a request, once a subscription."""

from datetime import datetime

from sqlalchemy import null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Coupon, CouponRedemption, Invoice, Subscription
from perennial.db.repositories.statuses import PAID
from perennial.domain import keys
from perennial.domain.coupons import AlreadyRedeemed, CouponArchived, CouponExhausted, CouponTerms, FirstTimeOnly
from perennial.domain.errors import NotFound
from perennial.domain.subscription.state import Discount


def terms_of(coupon: Coupon) -> CouponTerms:
    return CouponTerms(
        code=coupon.code,
        percent_off=coupon.percent_off,
        amount_off=coupon.amount_off,
        currency=coupon.currency,
        duration_periods=coupon.duration_periods,
        plans=tuple(coupon.plans or ()),
        first_time_only=coupon.first_time_only,
        combinable=coupon.combinable,
        max_redemptions=coupon.max_redemptions,
        expires_at=coupon.expires_at,
    )


def add(session: Session, terms: CouponTerms, now: datetime) -> Coupon | None:
    """None if the code is taken."""
    statement = upsert(Coupon).values(
        code=terms.code,
        percent_off=terms.percent_off,
        amount_off=terms.amount_off,
        currency=terms.currency,
        duration_periods=terms.duration_periods,
        plans=list(terms.plans) if terms.plans else null(),
        first_time_only=terms.first_time_only,
        combinable=terms.combinable,
        max_redemptions=terms.max_redemptions,
        expires_at=terms.expires_at,
        created_at=now,
    )
    return session.scalar(statement.on_conflict_do_nothing().returning(Coupon))


def require(session: Session, code: str, *, lock: bool = False) -> Coupon:
    """`lock` holds it until the transaction ends. Raises NotFound."""
    how = {"key_share": True} if lock else None
    coupon = session.get(Coupon, code, with_for_update=how, populate_existing=lock)
    if coupon is None:
        raise NotFound("coupon", code)
    return coupon


def discount_for(
    session: Session,
    code: str,
    *,
    customer_id: str,
    plan: str,
    currency: str,
    at: datetime,
    subscription_id: str | None = None,
    request_id: str | None = None,
) -> Discount:
    """What the coupon would give; redeems nothing, and raises what `redeem` would raise for the same request.

    A new subscription has no id yet, and what is only looked at no request.
    """
    coupon = require(session, code)
    if request_id is None or not _is_redeemed(session, code, request_id):
        _check(
            session,
            coupon,
            customer_id=customer_id,
            subscription_id=subscription_id,
            plan=plan,
            currency=currency,
            at=at,
        )
    return terms_of(coupon).discount


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
    """Redeem it at `at` (domain time); the same request again gets the same answer. Redemptions of a code take turns.

    Raises:
        NotFound: no such coupon.
        InvalidInput: it is in another currency or not for this plan (`field` is coupon).
        CouponExpired, CouponArchived, CouponExhausted, FirstTimeOnly, AlreadyRedeemed: nothing has been written.
    """
    coupon = require(session, code, lock=True)
    discount = terms_of(coupon).discount
    if _is_redeemed(session, code, request_id):
        return discount
    _check(
        session, coupon, customer_id=customer_id, subscription_id=subscription_id, plan=plan, currency=currency, at=at
    )
    redemption = upsert(CouponRedemption).values(
        id=_id(code, request_id),
        coupon_code=code,
        customer_id=customer_id,
        subscription_id=subscription_id,
        request_id=request_id,
        redeemed_at=at,
    )
    # A request that was refused and is made again takes up its old row.
    again = {"redeemed_at": redemption.excluded.redeemed_at, "released_at": None}
    session.execute(redemption.on_conflict_do_update(index_elements=["id"], set_=again))
    _count(session, code, 1)
    return discount


def release(session: Session, request_id: str) -> None:
    """The request was refused after all: as if nothing had been redeemed. What has been applied stays redeemed."""
    applied = select(Subscription.id).where(
        Subscription.id == CouponRedemption.subscription_id,
        Subscription.state["applied"].contains([request_id]),
    )
    statement = (
        update(CouponRedemption)
        .where(CouponRedemption.request_id == request_id, CouponRedemption.released_at.is_(None), ~applied.exists())
        .values(released_at=CouponRedemption.redeemed_at)
        .returning(CouponRedemption.coupon_code)
        .execution_options(synchronize_session=False)
    )
    for code in session.scalars(statement).all():
        _count(session, code, -1)


def _check(
    session: Session,
    coupon: Coupon,
    *,
    customer_id: str,
    subscription_id: str | None,
    plan: str,
    currency: str,
    at: datetime,
) -> None:
    terms = terms_of(coupon)
    terms.check_fits(plan, currency)
    if coupon.archived_at:
        raise CouponArchived(coupon.code)
    terms.check_time(at)
    if subscription_id and _has_redeemed(session, coupon.code, subscription_id):
        raise AlreadyRedeemed(coupon.code)
    if coupon.max_redemptions is not None and coupon.redeemed >= coupon.max_redemptions:
        raise CouponExhausted(coupon.code)
    if coupon.first_time_only and _has_bought(session, coupon.code, customer_id, subscription_id):
        raise FirstTimeOnly(coupon.code)


def _is_redeemed(session: Session, code: str, request_id: str) -> bool:
    redemption = session.get(CouponRedemption, _id(code, request_id), populate_existing=True)
    return redemption is not None and redemption.released_at is None


def _has_redeemed(session: Session, code: str, subscription_id: str) -> bool:
    statement = select(CouponRedemption.id).where(
        CouponRedemption.coupon_code == code,
        CouponRedemption.subscription_id == subscription_id,
        CouponRedemption.released_at.is_(None),
    )
    return session.scalar(statement) is not None


def _has_bought(session: Session, code: str, customer_id: str, subscription_id: str | None) -> bool:
    """An invoice has been paid; or they are about to buy with this very coupon through another subscription."""
    paid = select(Invoice.id).where(Invoice.customer_id == customer_id, Invoice.status == PAID, Invoice.total > 0)
    elsewhere = (
        select(CouponRedemption.id)
        .join(Subscription, Subscription.id == CouponRedemption.subscription_id)
        .where(
            CouponRedemption.coupon_code == code,
            CouponRedemption.customer_id == customer_id,
            CouponRedemption.subscription_id != (subscription_id or ""),
            CouponRedemption.released_at.is_(None),
            Subscription.ended_at.is_(None),
        )
    )
    return any(session.scalar(found.limit(1)) is not None for found in (paid, elsewhere))


def _count(session: Session, code: str, by: int) -> None:
    counted = update(Coupon).where(Coupon.code == code).values(redeemed=Coupon.redeemed + by)
    session.execute(counted.execution_options(synchronize_session="fetch"))


def _id(code: str, request_id: str) -> str:
    return keys.document_id("red", f"{request_id}:{code}")
