"""Gifts: bought, delivered, claimed."""

from fastapi import APIRouter
from sqlalchemy import select

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.gifts import GiftClaim, GiftOut, NewGift
from api.security import REQUIRE_KEY
from perennial.db.models import Gift
from perennial.domain.errors import CommandRefused
from perennial.domain.gift import GiftStatus
from perennial.engine import gifts
from perennial.engine.context import Engine

router = APIRouter(
    prefix="/v1/gifts", tags=["gifts"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def buy_gift(body: NewGift, engine: EngineDep, names: NamesDep) -> GiftOut:
    """The giver pays at once; the recipient gets the claim code when it is delivered."""
    gift = await gifts.buy(engine, gifts.NewGift(id=names.id("gift"), **body.model_dump()))
    return GiftOut.model_validate(gift)


@router.get("")
async def list_gifts(
    engine: EngineDep,
    place: PageDep,
    giver_id: Filter = None,
    recipient_id: Filter = None,
    status: GiftStatus | None = None,
) -> Listing[GiftOut]:
    """All gifts, or those of a giver, a recipient, a status."""
    of = {"giver_id": giver_id, "recipient_id": recipient_id}
    return await listing(engine, Gift, place, plainly(GiftOut), status=status, **of)


@router.post("/claim", responses=WRITE)
async def claim_gift(body: GiftClaim, engine: EngineDep, names: NamesDep) -> GiftOut:
    """The recipient's prepaid subscription begins now; `subscription_id` names it."""
    try:
        gift, _ = await gifts.claim(
            engine, body.code, body.customer_id, timezone=body.timezone, request_id=names.request_id
        )
    except CommandRefused:
        gift = await _with_code(engine, body.code)
        # A repetition whose first answer was lost: the gift is with whom it was to be.
        if names.seed is None or gift.recipient_id != body.customer_id:
            raise
    return GiftOut.model_validate(gift)


@router.get("/{gift_id}")
async def get_gift(gift_id: str, engine: EngineDep) -> GiftOut:
    """One gift."""
    return GiftOut.model_validate(await gifts.get(engine, gift_id))


@router.post("/{gift_id}/cancel", responses=WRITE)
async def cancel_gift(gift_id: str, engine: EngineDep, names: NamesDep, _body: Nothing | None = None) -> GiftOut:
    """The giver gets the money back, as long as nobody has claimed it."""
    try:
        gift = await gifts.cancel(engine, gift_id, names.request_id)
    except CommandRefused:
        gift = await gifts.get(engine, gift_id)
        if names.seed is None or gift.status != GiftStatus.CANCELED:
            raise
    return GiftOut.model_validate(gift)


async def _with_code(engine: Engine, code: str) -> Gift:
    wanted = select(Gift).where(Gift.claim_code == code.strip().upper())
    return await engine.read(lambda session: session.scalars(wanted).one())
