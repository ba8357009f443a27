"""Coupons: made once, redeemed by subscriptions, archived when they have served."""

from sqlalchemy.orm import Session

from perennial.db.models import Coupon, Plan
from perennial.db.repositories import coupons
from perennial.domain.coupons import CouponTerms
from perennial.domain.errors import Conflict, NotFound
from perennial.engine.context import Engine


async def create(engine: Engine, terms: CouponTerms) -> Coupon:
    """A new coupon. An expiry in the past is no error: test clocks live there.

    Raises:
        NotFound: a plan that it names.
        Conflict: there is one of this code.
    """

    def insert(session: Session) -> Coupon:
        for plan in terms.plans:
            if session.get(Plan, plan) is None:
                raise NotFound("plan", plan)
        made = coupons.add(session, terms, engine.clock())
        if made is None:
            raise Conflict(terms.code, f"coupon {terms.code!r} exists")
        return made

    return await engine.write(insert)


async def get(engine: Engine, code: str) -> Coupon:
    return await engine.read(lambda session: coupons.require(session, code))


async def archive(engine: Engine, code: str) -> Coupon:
    """Nobody redeems it any more; where it is in force it stays so."""

    def mark(session: Session) -> Coupon:
        coupon = coupons.require(session, code, lock=True)
        coupon.archived_at = coupon.archived_at or engine.clock()
        return coupon

    return await engine.write(mark)
