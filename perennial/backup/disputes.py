"""Disputes of the time that was lost: when a subscription heard of one its history says, what it is the gateway.

What no history tells, because it belongs to a gift, to a one-off invoice or to a subscription that had ended, is booked
last, dated on the day of the recovery.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from perennial.db.models import Dispute
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus
from perennial.domain.subscription.commands import DisputeEvent
from perennial.engine import disputes
from perennial.engine.context import Engine
from perennial.ports import GatewayEvent, GatewayEventKind, ListsDisputes

# A gateway repeats a webhook for days: what a subscription has heard of since may have happened before.
_REPEATED = timedelta(days=4)
_KINDS = {
    DisputeStatus.OPEN: GatewayEventKind.DISPUTE_OPENED,
    DisputeStatus.WON: GatewayEventKind.DISPUTE_WON,
    DisputeStatus.LOST: GatewayEventKind.DISPUTE_LOST,
}


@dataclass
class Disputes:
    """`booked` by id; `lost`: histories speak of them, and no gateway that is asked says what they are."""

    engine: Engine
    since: datetime
    booked: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def hear(self, message: DisputeEvent) -> None:
        """What a subscription was told, on the day on which it was told. Raises GatewayError."""
        gateway, event = self._told.get(message.dispute, ("", None))
        if event is not None:
            event = replace(event, kind=_KINDS[message.status], at=message.told_at)
        if event is None or not self._book(gateway, event, message.at):
            self.lost.add(message.dispute)

    def rest(self) -> None:
        """Those that no history speaks of. Raises GatewayError."""
        for gateway, event in self._told.values():
            self._book(gateway, event, None)
        self.lost -= self.booked

    def _book(self, gateway: str, event: GatewayEvent, at: datetime | None) -> bool:
        """Whether it stands in the rows now."""
        dispute = _id(event)
        with self.engine.sessions() as session, session.begin():
            row = session.get(Dispute, dispute)
            before = row.status if row else None
            booked = disputes.book(self.engine, session, gateway, event, at)
        if booked is None:
            return False
        if booked.status.value != before:
            self.booked.add(dispute)
        return True

    @cached_property
    def _told(self) -> Mapping[str, tuple[str, GatewayEvent]]:
        """By our id, with the gateway's name."""
        return {
            _id(event): (gateway.name, event)
            for gateway in self.engine.gateways
            if isinstance(gateway, ListsDisputes)
            for event in gateway.disputes(self.since - _REPEATED)
            if event.charge_key
        }


def _id(event: GatewayEvent) -> str:
    return keys.document_id("dp", keys.dispute(event.charge_key or "", event.gateway_ref))
