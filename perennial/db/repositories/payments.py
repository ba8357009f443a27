"""Attempts at invoices: committed before the gateway is called, finished once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, bindparam, case, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import PaymentAttempt, PaymentMethod, PaymentMethodToken
from perennial.db.repositories import budgets, credits, invoices, ledger, records
from perennial.db.repositories.budgets import Card
from perennial.db.repositories.invoices import IssuedInvoice
from perennial.db.repositories.routing import Way
from perennial.db.repositories.statuses import OUTSIDE
from perennial.db.tables import table_of
from perennial.domain import keys, networks
from perennial.domain.dunning import EMAIL, CaseMessage
from perennial.domain.ledger import overpayment_received, payment_received
from perennial.domain.subscription.effects import Message, Trigger
from perennial.domain.subscription.opening import MAX_AMOUNT
from perennial.domain.subscription.payments import AMOUNT_TOO_LARGE, NO_PAYMENT_METHOD

PENDING, SUCCEEDED, DECLINED, CANCELED = "pending", "succeeded", "declined", "canceled"
REQUIRES_ACTION, PROCESSING = "requires_action", "processing"
LIVE = (PENDING, REQUIRES_ACTION, PROCESSING)
# What is never sent to a gateway, and only the customer can mend: they are told, as of any decline.
_FOR_THE_CUSTOMER = frozenset({NO_PAYMENT_METHOD, networks.NEVER_RETRY})
Channels = Callable[[CaseMessage], tuple[str, ...]]


def _by_mail(_: CaseMessage) -> tuple[str, ...]:
    return (EMAIL,)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, with the token it uses (None: there is no usable payment method)."""

    id: str
    key: str
    n: int
    status: str
    decline_code: str | None
    started_at: datetime
    gateway: str
    gateway_ref: str | None
    token: str | None
    amount: int
    backup_method_id: str | None = None
    sender: str | None = None
    payment_method_id: str | None = None


_attempts, _methods, _tokens = table_of(PaymentAttempt), table_of(PaymentMethod), table_of(PaymentMethodToken)
# Of the gateway that the attempt is at.
_TOKEN = case((_methods.c.gateway == _attempts.c.gateway, _methods.c.token), else_=_tokens.c.token).label("token")
_ATTEMPT = (
    select(*(_TOKEN if name == "token" else _attempts.c[name] for name in Attempt.__slots__))
    .outerjoin_from(_attempts, _methods, _methods.c.id == _attempts.c.payment_method_id)
    .outerjoin(
        _tokens,
        and_(_tokens.c.payment_method_id == _attempts.c.payment_method_id, _tokens.c.gateway == _attempts.c.gateway),
    )
)
_BY_ID = _ATTEMPT.where(_attempts.c.id == bindparam("attempt"))
_OF_INVOICE = _ATTEMPT.where(_attempts.c.invoice_id == bindparam("invoice"))
_FIND = _OF_INVOICE.where(_attempts.c.n == bindparam("n"))
_LIVE = _OF_INVOICE.where(_attempts.c.status.in_(LIVE)).order_by(_attempts.c.n)
_BEGIN = upsert(_attempts).on_conflict_do_nothing().returning(_attempts.c.id)
_BACKUP = select(_methods.c.id).where(
    _methods.c.customer_id == bindparam("customer"), _methods.c.is_backup, _methods.c.detached_at.is_(None)
)
_OUTCOME = (
    "status",
    "decline_code",
    "response_code",
    "advice_code",
    "gateway_ref",
    "action_url",
    "finished_at",
    "backup_method_id",
)
_FINISH = (
    update(_attempts)
    .where(_attempts.c.id == bindparam("attempt"), _attempts.c.status.in_(LIVE))
    .where(_attempts.c.status != bindparam("new_status"))
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME})
    .returning(_attempts.c.id)
)
_HOLD = update(_attempts).where(_attempts.c.id == bindparam("attempt")).values(sender=None)
_MOVE = (
    update(_attempts)
    .where(_attempts.c.id == bindparam("attempt"), _attempts.c.status == PENDING)
    .where(_attempts.c.sender == bindparam("by"), _attempts.c.gateway == bindparam("was"))
    .values(gateway=bindparam("to"))
    .returning(_attempts.c.id)
)


def backup_of(session: Session, customer_id: str) -> str | None:
    """The method that the customer wants tried when another one is declined."""
    return session.scalar(_BACKUP, {"customer": customer_id})


def find(session: Session, invoice_id: str, n: int) -> Attempt | None:
    row = session.execute(_FIND, {"invoice": invoice_id, "n": n}).mappings().one_or_none()
    return Attempt(**row) if row else None


def live(session: Session, invoice_id: str) -> list[Attempt]:
    """Attempts whose outcome is not final, oldest first. There is at most one."""
    return [Attempt(**row) for row in session.execute(_LIVE, {"invoice": invoice_id}).mappings()]


def begin(
    session: Session,
    invoice: IssuedInvoice,
    n: int,
    method_id: str | None,
    gateway: str,
    trigger: str,
    as_of: datetime,
    *,
    ways: Sequence[Way] = (),
    sender: str | None = None,
    channels: Channels = _by_mail,
) -> Attempt:
    """Write the attempt down before anything is sent. An attempt that exists is answered as it is.

    It is charged the first of `ways`, else where the payment method is from; `gateway` is named where there is none.
    `sender` is the execution that may send it. What is hopeless, or what the card's network forbids, is written
    down as declined, and never sent; what only the customer can mend is told by `channels`.
    """
    card = budgets.card_of(session, method_id, n, as_of, lock=True)
    key = keys.charge(invoice.key, n)
    hopeless = _hopeless(card, invoice.amount_due)
    forbidden = None if card is None or hopeless else _forbidden(session, card, invoice, trigger, as_of)
    refused = hopeless or forbidden
    way = ways[0] if ways else Way(card.gateway, card.token) if card else None
    new = Attempt(
        id=keys.document_id("pay", key),
        key=key,
        n=n,
        status=DECLINED if refused else PENDING,
        decline_code=refused,
        started_at=as_of,
        gateway=way.gateway if way else gateway,
        gateway_ref=None,
        token=way.token if way else None,
        amount=invoice.amount_due,
        backup_method_id=backup_of(session, invoice.customer_id) if forbidden else None,
        sender=None if refused else sender,
        payment_method_id=method_id,
    )
    made = session.scalar(
        _BEGIN,
        {
            "id": new.id,
            "key": key,
            "invoice_id": invoice.id,
            "n": n,
            "customer_id": invoice.customer_id,
            "trigger": trigger,
            "gateway": new.gateway,
            "sender": new.sender,
            "gateway_ref": None,
            "payment_method_id": method_id,
            "amount": new.amount,
            "currency": invoice.currency,
            "status": new.status,
            "decline_code": new.decline_code,
            "backup_method_id": new.backup_method_id,
            "card": card.id if card and card.counted and not refused else None,
            "started_at": as_of,
            "finished_at": as_of if refused else None,
        },
    )
    if made is None:
        found = find(session, invoice.id, n)
        assert found is not None, key
        return found
    if refused in _FOR_THE_CUSTOMER:
        _tell_of_failure(session, invoice, new, CaseMessage.PAYMENT_FAILED, as_of, channels, code=refused)
    return new


def hold(session: Session, attempt: Attempt) -> Attempt:
    """The attempt as it is now, at its gateway for good: whoever began it may not take it elsewhere any more.

    What anybody but its sender does with an attempt begins here, and is committed before a gateway is asked.
    """
    session.execute(_HOLD, {"attempt": attempt.id})
    return Attempt(**session.execute(_BY_ID, {"attempt": attempt.id}).mappings().one())


def move(session: Session, attempt: Attempt, way: Way) -> Attempt | None:
    """Take an attempt that its gateway has certainly refused to another, in the name of its sender.

    None when somebody else has it in hand, or it is over: then it stays where it is.
    """
    given = {"attempt": attempt.id, "by": attempt.sender, "was": attempt.gateway, "to": way.gateway}
    if attempt.sender is None or session.execute(_MOVE, given).first() is None:
        return None
    return replace(attempt, gateway=way.gateway, token=way.token)


def _hopeless(card: Card | None, amount: int) -> str | None:
    """Why no gateway need be asked, if so: it would refuse the request as wrong, again and again."""
    if card is None:
        return NO_PAYMENT_METHOD
    return AMOUNT_TOO_LARGE if amount > MAX_AMOUNT else None


def _forbidden(session: Session, card: Card, invoice: IssuedInvoice, trigger: str, as_of: datetime) -> str | None:
    """Why the card's network does not allow the attempt, if so."""
    budget = budgets.budget(session, card, invoice.amount_due, invoice.currency, trigger, as_of)
    if budget.allow:
        return None
    return networks.BUDGET_EXCEEDED if budget.again_at else networks.NEVER_RETRY


def finish(
    session: Session,
    invoice: IssuedInvoice,
    attempt: Attempt,
    status: str,
    at: datetime,
    *,
    decline_code: str | None = None,
    gateway_ref: str | None = None,
    action_url: str | None = None,
    response_code: str | None = None,
    advice_code: str | None = None,
    backup: str | None = None,
    channels: Channels = _by_mail,
) -> bool:
    """Write the outcome down with its posting and message. False if another writer was first: nothing is done twice.

    `backup` is the method that may be tried after a decline (`backup_of`), `channels` says how a message is sent.
    """
    changed = session.execute(
        _FINISH,
        {
            "attempt": attempt.id,
            "new_status": status,
            "new_decline_code": decline_code,
            "new_response_code": response_code,
            "new_advice_code": advice_code,
            "new_gateway_ref": gateway_ref,
            "new_action_url": action_url,
            "new_finished_at": at,
            "new_backup_method_id": backup,
        },
    ).first()
    if changed is None:
        return False
    if networks.bars(response_code, advice_code):
        budgets.bar(session, attempt.id)
    if status == SUCCEEDED:
        _receive(session, invoice, attempt, at)
    elif status in (DECLINED, REQUIRES_ACTION):
        kind = CaseMessage.PAYMENT_FAILED if status == DECLINED else CaseMessage.PAYMENT_ACTION_REQUIRED
        _tell_of_failure(session, invoice, attempt, kind, at, channels, code=decline_code, action_url=action_url)
    return True


def receive(session: Session, invoice: IssuedInvoice, n: int, reference: str, at: datetime) -> Attempt:
    """A payment past the gateways, as an attempt that has succeeded. One that exists is answered as it is."""
    key = keys.charge(invoice.key, n)
    made = session.scalar(
        _BEGIN,
        {
            "id": keys.document_id("pay", key),
            "key": key,
            "invoice_id": invoice.id,
            "n": n,
            "customer_id": invoice.customer_id,
            "trigger": Trigger.RECORDED.value,
            "gateway": OUTSIDE,
            "payment_method_id": None,
            "amount": invoice.amount_due,
            "currency": invoice.currency,
            "status": SUCCEEDED,
            "decline_code": None,
            "gateway_ref": reference,
            "started_at": at,
            "finished_at": at,
        },
    )
    attempt = find(session, invoice.id, n)
    assert attempt is not None, key
    if made is not None:
        _receive(session, invoice, attempt, at)
    return attempt


def _receive(session: Session, invoice: IssuedInvoice, attempt: Attempt, at: datetime) -> None:
    if invoices.mark_paid(session, invoice.id, at):
        posting = payment_received(attempt.key, invoice.id, invoice.currency, attempt.gateway, attempt.amount)
    else:
        # It came through although the invoice had been given up: the money is the customer's.
        posting = overpayment_received(
            attempt.key, invoice.id, invoice.currency, attempt.gateway, invoice.customer_id, attempt.amount
        )
        credits.give(session, invoice.customer_id, invoice.currency, attempt.amount, attempt.key, at)
    ledger.post(session, posting, at)
    _tell(session, invoice, Message(keys.notify("receipt", attempt.key), "receipt", _message_data(invoice)), at)


def _tell_of_failure(
    session: Session,
    invoice: IssuedInvoice,
    attempt: Attempt,
    kind: CaseMessage,
    at: datetime,
    channels: Channels,
    *,
    code: str | None,
    action_url: str | None = None,
) -> None:
    data = _message_data(invoice) | {"code": code or "", "action_url": action_url or ""}
    _tell(session, invoice, Message(keys.notify(kind, attempt.key), kind.value, data, channels(kind)), at)


def _message_data(invoice: IssuedInvoice) -> dict[str, str]:
    return {"invoice": invoice.id, "amount": str(invoice.amount_due), "currency": invoice.currency}


def _tell(session: Session, invoice: IssuedInvoice, message: Message, at: datetime) -> None:
    records.write_messages(
        session, (message,), at, customer_id=invoice.customer_id, subscription_id=invoice.subscription_id
    )
