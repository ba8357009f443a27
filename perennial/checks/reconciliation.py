"""The gateways' books and ours, page by page: each of their charges against our rows, then our postings against them.

What a gateway lists is kept in `gateway_charges`, so that the second direction needs no memory of the first, and
reports can say what the gateway says without asking it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.checks.charges import differences, invoice_of, ours, theirs
from perennial.checks.documents import PENDING_FOR_LONG
from perennial.checks.result import LOOKS, between_looks
from perennial.contracts.reconciliation import Place
from perennial.db.models import GatewayCharge
from perennial.db.repositories.findings import Found
from perennial.db.tables import table_of
from perennial.engine.context import Engine
from perennial.ports import ChargeStatus, GatewayPayment, PaymentGateway

_charges = table_of(GatewayCharge)
_NEW = upsert(_charges)
_OVERWRITTEN = ("invoice_key", "status", "currency", "captured", "refunded", "disputed", "listed_at")
_KEEP = _NEW.on_conflict_do_update(
    index_elements=[_charges.c.gateway, _charges.c.charge_key],
    set_={name: _NEW.excluded[name] for name in _OVERWRITTEN}
    # Of two charges under one key, the first that a tour has met stays, so that every look finds the second.
    | {
        "gateway_ref": case(
            (_charges.c.listed_at == _NEW.excluded.listed_at, _charges.c.gateway_ref), else_=_NEW.excluded.gateway_ref
        )
    },
)
_LISTED = select(_charges.c.charge_key, _charges.c.gateway_ref).where(
    _charges.c.gateway == bindparam("of"),
    _charges.c.charge_key.in_(bindparam("keys", expanding=True)),
    _charges.c.listed_at == bindparam("began"),
    _charges.c.captured > _charges.c.refunded,
)
# Money that was given back whole is no second payment.
_TWICE = text(
    """
SELECT c.invoice_key, string_agg(o.charge_key, ', ' ORDER BY o.charge_key) AS charges
FROM (SELECT DISTINCT invoice_key FROM gateway_charges
      WHERE gateway = :gateway AND charge_key = ANY(:keys) AND captured > refunded) c
JOIN gateway_charges o ON o.invoice_key = c.invoice_key AND o.captured > o.refunded AND o.listed_at = :began
GROUP BY c.invoice_key HAVING count(*) > 1
"""
)
_POSTED = text(
    """
SELECT e.transaction_id AS id, substr(t.key, 9) AS key, e.amount, e.currency, c.charge_key IS NOT NULL AS is_listed,
       r.key IS NOT NULL AS is_refund
FROM (SELECT * FROM ledger_entries WHERE account = :cash AND transaction_id > :after
      ORDER BY transaction_id LIMIT :limit) e
JOIN ledger_transactions t ON t.id = e.transaction_id AND t.key LIKE 'payment:%'
LEFT JOIN gateway_charges c ON c.gateway = :gateway AND c.charge_key = substr(t.key, 9) AND c.listed_at >= :began
LEFT JOIN refunds r ON r.key = substr(t.key, 9)
ORDER BY e.transaction_id
"""
)
_LAST_POSTED = text(
    "SELECT transaction_id FROM ledger_entries WHERE account = :cash AND transaction_id > :after "
    "ORDER BY transaction_id OFFSET :limit - 1 LIMIT 1"
)


async def their_page(engine: Engine, gateway: PaymentGateway, place: Place) -> tuple[list[Found], str | None]:
    """The findings in a page of the gateway's list, and its next cursor. Only what is found at every look counts.

    Raises GatewayError, EngineUnavailable.
    """
    assert place.began_at is not None
    began = place.began_at

    async def look() -> tuple[list[Found], str | None]:
        page = await asyncio.to_thread(gateway.payments, place.after, place.limit)
        return await engine.write(lambda session: _compared(session, gateway.name, page.items, began)), page.next

    found, end = await look()
    for _ in range(LOOKS - 1):
        if not found:
            break
        await between_looks()
        known = {(one.kind, one.subject) for one in found}
        again, end = await look()
        found = [one for one in again if (one.kind, one.subject) in known]
    return found, end


async def our_page(engine: Engine, gateway: PaymentGateway, place: Place) -> tuple[list[Found], str | None]:
    """The findings in a page of the account `cash:{gateway}`, and the posting after which the next page begins.

    What the list did not have is asked for by name: it may be younger than the list.

    Raises GatewayError, EngineUnavailable.
    """
    posted, end = await engine.read(lambda session: _posted(session, gateway.name, place))
    found: list[Found] = []
    for row in posted:
        if row.key.startswith("refund:") and not row.is_refund:
            found.append(Found("refund_unknown_here", row.key, "cash was posted for a refund that is not known"))
        elif row.key.startswith("charge:") and not row.is_listed:
            answer = await asyncio.to_thread(gateway.find_charge, row.key)
            if answer is None or answer.status is not ChargeStatus.SUCCEEDED:
                words = "does not know it" if answer is None else f"says that it is {answer.status.value}"
                words = f"{row.amount} {row.currency} are posted; {gateway.name} {words}"
                found.append(Found("unknown_there", row.key, words))
    return found, end


def _compared(session: Session, name: str, page: Sequence[GatewayPayment], began: datetime) -> list[Found]:
    if not page:
        return []
    listed = {payment.charge_key: theirs(payment) for payment in page}
    found = _doubled(session, name, page, began)
    session.execute(_KEEP, list({payment.charge_key: _kept(name, payment, began) for payment in page}.values()))
    # A row of ours is written before anything is sent: what is read now knows all that the list can know.
    mine = ours(session, name, list(listed), began - PENDING_FOR_LONG)
    found += differences(mine, listed, name)
    twice = session.execute(_TWICE, {"gateway": name, "keys": list(listed), "began": began})
    return found + [
        Found("captured_twice", row.invoice_key, f"captured more than once at the gateways: {row.charges}")
        for row in twice
    ]


def _doubled(session: Session, name: str, page: Sequence[GatewayPayment], began: datetime) -> list[Found]:
    """One key of ours under which the gateway has taken money more than once: its memory of keys has an end."""
    refs: dict[str, set[str]] = defaultdict(set)
    given = {"of": name, "keys": [payment.charge_key for payment in page], "began": began}
    for row in session.execute(_LISTED, given):
        refs[row.charge_key].add(row.gateway_ref)
    for payment in page:
        charge = theirs(payment)
        if charge.captured > charge.refunded:
            refs[payment.charge_key].add(payment.gateway_ref)
    return [
        Found("key_captured_twice", key, f"{name} captured under it as {', '.join(sorted(of))}")
        for key, of in sorted(refs.items())
        if len(of) > 1
    ]


def _kept(name: str, payment: GatewayPayment, began: datetime) -> dict[str, Any]:
    charge = theirs(payment)
    return {
        "gateway": name,
        "charge_key": payment.charge_key,
        "invoice_key": invoice_of(payment.charge_key),
        "gateway_ref": payment.gateway_ref,
        "status": charge.status,
        "currency": charge.currency,
        "captured": charge.captured,
        "refunded": charge.refunded,
        "disputed": charge.disputed,
        "listed_at": began,
    }


def _posted(session: Session, name: str, place: Place) -> tuple[list[Any], str | None]:
    given = {"gateway": name, "cash": f"cash:{name}", "after": int(place.after or 0), "limit": place.limit}
    rows = session.execute(_POSTED, given | {"began": place.began_at}).all()
    end = session.scalar(_LAST_POSTED, {key: given[key] for key in ("cash", "after", "limit")})
    return list(rows), None if end is None else str(end)
