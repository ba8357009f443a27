"""What people other than the merchant do: pass 3-D Secure, get a new card."""

from sqlalchemy import Connection, text

from perennial.gateways.simulator import books
from perennial.ports import ChargeResult, ChargeStatus, GatewayRefused

_FIND = text("SELECT * FROM simulator.payments WHERE gateway_ref = :gateway_ref")
_UPDATE_CARD = text(
    """
INSERT INTO simulator.events (event_id, kind, gateway_ref, amount, currency)
VALUES (:event_id, 'card_updated', :token, 0, 'XXX')
"""
)


def authenticate(connection: Connection, gateway_ref: str, *, success: bool) -> ChargeResult:
    """Move a charge that waits for 3-D Secure to its end, once, and announce it. Raises GatewayRefused."""
    moved = books.finish(
        connection,
        gateway_ref,
        was=ChargeStatus.REQUIRES_ACTION,
        status=ChargeStatus.SUCCEEDED if success else ChargeStatus.DECLINED,
        decline_code=None if success else "authentication_failed",
    )
    row = connection.execute(_FIND, {"gateway_ref": gateway_ref}).first()
    if row is None:
        raise GatewayRefused(f"no charge {gateway_ref}")
    if moved and success:
        books.count(connection, f"authenticated:{row.token}|{row.customer_reference}")
    return books.result(row)


def is_known(connection: Connection, gateway_ref: str) -> bool:
    return connection.execute(_FIND, {"gateway_ref": gateway_ref}).first() is not None


def is_asked(connection: Connection, gateway_ref: str) -> bool:
    """Whether a charge waits for 3-D Secure. Raises GatewayRefused."""
    row = connection.execute(_FIND, {"gateway_ref": gateway_ref}).first()
    if row is None:
        raise GatewayRefused(f"no charge {gateway_ref}")
    return bool(row.status == ChargeStatus.REQUIRES_ACTION)


def update_card(connection: Connection, token: str) -> None:
    """Tell the merchant that a card was replaced; each time is a new event."""
    number = books.count(connection, f"card_updates:{token}")
    event_id = books.reference("evt", f"card_updated:{token}:{number}")
    connection.execute(_UPDATE_CARD, {"event_id": event_id, "token": token})
