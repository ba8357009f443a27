"""The local mailbox: what customers would have in their own."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import EngineDep
from api.openapi import READ
from api.pagination import Filter, Listing, PageDep
from api.queries import listing
from api.routing import GuardedRoute
from api.schemas.messages import MessageOut
from api.security import REQUIRE_KEY
from perennial.db.models import MailboxMessage

router = APIRouter(
    prefix="/v1/messages", tags=["messages"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.get("")
async def list_messages(
    engine: EngineDep, place: PageDep, customer_id: Filter = None, kind: Filter = None
) -> Listing[MessageOut]:
    """All messages that the relay has delivered, or those to a customer, of a kind."""
    return await listing(engine, MailboxMessage, place, _shown, customer_id=customer_id, kind=kind)


def _shown(_: Session, rows: Sequence[MailboxMessage]) -> list[MessageOut]:
    return [
        MessageOut(
            id=f"msg_{row.id}",
            kind=row.kind,
            channel=row.channel,
            customer_id=row.customer_id,
            recipient=row.recipient,
            subject=row.subject,
            body=row.body,
            delivered_at=row.delivered_at,
        )
        for row in rows
    ]
