"""Coupons. One that has been redeemed never changes; archived, it is redeemed no more."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.coupons import CouponOut, NewCoupon, RedemptionOut
from api.security import REQUIRE_KEY
from perennial.db.models import Coupon, CouponRedemption
from perennial.db.repositories.coupons import terms_of
from perennial.domain.errors import Conflict
from perennial.engine import coupons

router = APIRouter(
    prefix="/v1/coupons", tags=["catalogue"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_coupon(body: NewCoupon, engine: EngineDep, names: NamesDep) -> CouponOut:
    """A percentage or an amount off, for a number of periods or for ever."""
    terms = body.terms()
    try:
        coupon = await coupons.create(engine, terms)
    except Conflict:
        coupon = await coupons.get(engine, body.code)
        # A repetition of a request that was cut off after it had made the coupon.
        if names.seed is None or terms_of(coupon) != terms:
            raise
    return _out(coupon)


@router.get("")
async def list_coupons(engine: EngineDep, place: PageDep) -> Listing[CouponOut]:
    """Every coupon, archived ones too."""
    return await listing(engine, Coupon, place, _outs)


@router.get("/{code}")
async def get_coupon(code: str, engine: EngineDep) -> CouponOut:
    """One coupon, and how often it has been redeemed."""
    return _out(await coupons.get(engine, code))


@router.post("/{code}/archive", responses=WRITE)
async def archive_coupon(code: str, engine: EngineDep, _: NamesDep, _body: Nothing | None = None) -> CouponOut:
    """Nobody redeems it any more; where it is in force it stays so."""
    return _out(await coupons.archive(engine, code))


@router.get("/{code}/redemptions")
async def list_redemptions(
    code: str, engine: EngineDep, place: PageDep, customer_id: Filter = None
) -> Listing[RedemptionOut]:
    """Who redeemed it, for which subscription."""
    await coupons.get(engine, code)
    shown = plainly(RedemptionOut)
    return await listing(engine, CouponRedemption, place, shown, coupon_code=code, customer_id=customer_id)


def _out(coupon: Coupon) -> CouponOut:
    columns = {name: getattr(coupon, name) for name in CouponOut.model_fields}
    return CouponOut(**columns | {"plans": coupon.plans or []})


def _outs(_: Session, rows: Sequence[Coupon]) -> list[CouponOut]:
    return [_out(row) for row in rows]
