"""What a customer sends from the checkout page, handed to the one writer of what it pays.

Every try has a name (`checkout:{session}:{n}`), and the form says which it is: a form that is sent twice, by two clicks
or by a browser that goes back, is one try. A try that is lost with its process is simply sent again; the workflow has
one live attempt for an invoice, whatever asks it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from temporalio.service import RPCError, RPCStatusCode

from perennial.db.models import CheckoutSession, PaymentMethod, Subscription
from perennial.domain import keys
from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.subscription import Status
from perennial.domain.subscription.commands import PaymentEvent, SetPaymentMethod
from perennial.engine import customers, invoices, states, subscriptions
from perennial.engine.checkout import Mode, require, subscription_id, terms_of
from perennial.engine.checkout_standing import Standing, complete, first_invoice, stand
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.engine.ids import new_id
from perennial.engine.invoices import Request
from perennial.engine.runs import CommandPending
from perennial.ports import CardSetup, RedirectsToBank, SetsUpCards

ACTOR = "customer"


class Role(StrEnum):
    """What becomes of the method beside this payment. `none`: it is kept, nothing more."""

    NONE = "none"
    MAIN = "main"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`tries` is how many there were when the form was shown.

    `method` is one that the customer has, `token` a new one of the gateway; neither: what its own form has taken, or
    nothing, unless one `is_needed`.
    """

    tries: int
    method: str | None = None
    token: str | None = None
    is_needed: bool = True
    role: Role = Role.NONE


class NoMethodChosen(CommandRefused):
    code = "no_method_chosen"

    def __init__(self, session: str) -> None:
        super().__init__(session, "no payment method was chosen")


async def submit(engine: Engine, session_id: str, choice: Choice) -> None:
    """Carry a try out; how it went is told by `look`. A refusal is noted in the session.

    Raises:
        NotFound: no such session.
        EngineUnavailable, GatewayError: nothing has been done by this try.
    """
    row = await engine.write(lambda session: _claim(engine, session, session_id, choice))
    if row is None:
        return
    refusal: str | None = None
    try:
        await _carry_out(engine, row, choice)
    except (CommandRefused, InvalidInput) as refused:
        refusal = refused.code
    except CommandPending:
        pass  # the page waits, as for everything that takes its time
    finally:
        await engine.write(lambda session: _release(session, row, refusal))


def _claim(engine: Engine, session: Session, session_id: str, choice: Choice) -> CheckoutSession | None:
    """None when the form was sent before, or comes too late."""
    row = require(session, session_id, lock=True)
    now = engine.clock()
    if choice.tries != row.tries or not stand(session, row, now).step.takes_tries:
        return None
    row.tries, row.busy_since, row.refusal = row.tries + 1, now, None
    return row


def _release(session: Session, row: CheckoutSession, refusal: str | None) -> None:
    ours = update(CheckoutSession).where(CheckoutSession.id == row.id, CheckoutSession.tries == row.tries)
    session.execute(ours.values(busy_since=None, refusal=refusal).execution_options(synchronize_session=False))


async def _carry_out(engine: Engine, row: CheckoutSession, choice: Choice) -> None:
    method = await _method(engine, row, choice)
    if method is None and choice.is_needed:
        raise NoMethodChosen(row.id)
    match row.mode:
        case Mode.SUBSCRIPTION:
            await _subscribe(engine, row, method)
        case Mode.INVOICE:
            assert row.invoice_id is not None, row.id
            await _pay(engine, row, row.invoice_id, method)
    if method is not None and choice.role is not Role.NONE:
        await _assign(engine, row, method, choice.role)
    if row.mode == Mode.SETUP:
        await engine.write(lambda session: complete(require(session, row.id, lock=True), engine.clock()))


async def _method(engine: Engine, row: CheckoutSession, choice: Choice) -> str | None:
    """The payment method that was chosen, attached to the customer if it is new."""
    if choice.method is not None:
        chosen: str | None = choice.method
        await engine.read(lambda session: customers.require_method(session, row.customer_id, choice.method or ""))
    elif choice.token is not None:
        chosen = await _attach(engine, row, choice.token)
    else:
        chosen = await take_card(engine, row)
    if chosen is not None:
        await engine.write(lambda session: _note_method(session, row.id, chosen))
    return chosen


async def _attach(engine: Engine, row: CheckoutSession, token: str) -> str:
    """Named after session and token: sent again it is the same method."""
    name = new_id("pm", f"{row.id}:{token}")
    kept = await customers.attach_payment_method(
        engine, row.customer_id, token, default=False, id=name, gateway=row.gateway
    )
    return kept.id


def _note_method(session: Session, session_id: str, method: str) -> None:
    require(session, session_id, lock=True).payment_method_id = method


async def _subscribe(engine: Engine, row: CheckoutSession, method: str | None) -> None:
    """Begin it under the session's own name, or try its first invoice again with another method."""
    name = subscription_id(row)
    if await engine.read(lambda session: session.get(Subscription, name)) is None:
        await subscriptions.create(engine, terms_of(row, method))
        return
    if invoice := await engine.read(lambda session: first_invoice(session, name)):
        await _pay(engine, row, invoice.id, method)


async def _pay(engine: Engine, row: CheckoutSession, invoice_id: str, method: str | None) -> None:
    """Have the invoice's workflow try it: a method that it does not use yet is set, the same one is tried again."""

    def another(session: Session) -> str | None:
        invoice = invoices.require(session, invoice_id)
        if invoice.subscription_id is None:
            return method
        state = states.current(session, session.get_one(Subscription, invoice.subscription_id))
        return None if state.payment_method_id == method else method

    wanted = await engine.read(another)
    await invoices.pay(engine, invoice_id, Request(id=f"checkout:{row.id}:{row.tries}", actor=ACTOR), wanted)


# --- what a method is beside this payment ----------------------------------------------------------------------------


async def _assign(engine: Engine, row: CheckoutSession, method: str, role: Role) -> None:
    """First the subscriptions that owe something are tried with it, while it is still known what they used."""
    if role is Role.MAIN:
        for each in await engine.read(lambda session: _in_want(session, row.customer_id, method)):
            await _try_elsewhere(engine, row, each, method)
        await customers.set_roles(engine, row.customer_id, method, default=True)
        return
    kept = await engine.read(lambda session: session.get_one(PaymentMethod, method))
    if not kept.is_default:  # the first one of a customer is the main one, and cannot stand in for itself
        await customers.set_roles(engine, row.customer_id, method, backup=True)


def _in_want(session: Session, customer_id: str, new_method: str) -> list[str]:
    """Subscriptions that owe something and are charged through the customer's main method, or through none any more."""
    others = select(PaymentMethod.id).where(
        PaymentMethod.customer_id == customer_id,
        PaymentMethod.detached_at.is_(None),
        ~PaymentMethod.is_default,
    )
    owing = select(Subscription).where(
        Subscription.customer_id == customer_id,
        Subscription.status.in_((Status.PAST_DUE, Status.UNPAID, Status.INCOMPLETE)),
    )
    kept = {*session.scalars(others), new_method}
    return [each.id for each in session.scalars(owing.order_by(Subscription.id)) if each.payment_method_id not in kept]


async def _try_elsewhere(engine: Engine, row: CheckoutSession, subscription: str, method: str) -> None:
    request = f"checkout:{row.id}:{row.tries}:{subscription}"

    def make(_session: Session, _row: Subscription, at: datetime) -> SetPaymentMethod:
        return SetPaymentMethod(request_id=request, at=at, actor=ACTOR, payment_method_id=method)

    with suppress(CommandRefused, CommandPending):  # what is over by now needs nothing
        await subscriptions.command(engine, subscription, "set_payment_method", make)


# --- the gateway's own form, and the customer's bank -----------------------------------------------------------------


async def begin_setup(engine: Engine, row: CheckoutSession) -> CardSetup | None:
    """What the gateway's form needs to take a card in the customer's browser; None if it has no such form."""
    gateway = engine.gateways[row.gateway]
    if not isinstance(gateway, SetsUpCards):
        return None
    if row.setup_ref and (found := await asyncio.to_thread(gateway.find_setup, row.setup_ref)):
        return found
    made = await asyncio.to_thread(gateway.create_setup, row.customer_id)
    await engine.write(lambda session: _note_setup(session, row.id, made.gateway_ref))
    return made


def _note_setup(session: Session, session_id: str, gateway_ref: str | None) -> None:
    require(session, session_id, lock=True).setup_ref = gateway_ref


async def take_card(engine: Engine, row: CheckoutSession) -> str | None:
    """The payment method that the gateway's form has taken, attached to the customer; None: nothing was given.

    What the browser says about it is not believed: the gateway is asked.
    """
    gateway = engine.gateways[row.gateway]
    if row.setup_ref is None or not isinstance(gateway, SetsUpCards):
        return None
    found = await asyncio.to_thread(gateway.find_setup, row.setup_ref)
    if found is None or found.token is None:
        return None
    method = await _attach(engine, row, found.token)

    def note(session: Session) -> None:
        _note_method(session, row.id, method)
        _note_setup(session, row.id, None)

    await engine.write(note)
    return method


async def bank_url(engine: Engine, standing: Standing, return_url: str) -> str | None:
    """Where the customer's bank asks them about the attempt that waits for it; None when it asks nothing any more.

    Raises:
        GatewayError: the gateway does not say.
    """
    attempt = standing.attempt
    if attempt is None or attempt.gateway_ref is None:
        return None
    gateway = engine.gateways.find(attempt.gateway)
    if gateway is not None and isinstance(gateway, RedirectsToBank):
        return await asyncio.to_thread(gateway.authentication_url, attempt.gateway_ref, return_url)
    return attempt.action_url


async def ask_again(engine: Engine, standing: Standing) -> None:
    """The customer has been at their bank: the workflow asks the gateway, also if its webhook never comes."""
    attempt, invoice = standing.attempt, standing.invoice
    if attempt is None or invoice is None:
        return
    # A name of its own for each visit: the bank may have answered since the last one.
    request = f"checkout:{standing.row.id}:bank:{attempt.n}:{engine.clock().timestamp():.0f}"
    event = PaymentEvent(request_id=request, actor=ACTOR, invoice=invoice.key, attempt=attempt.n)
    handle = engine.temporal.get_workflow_handle(keys.invoice_subject(invoice.key))
    try:
        await temporal_call(handle.signal("payment_event", event, rpc_timeout=RPC_TIMEOUT))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # its workflow is lost: the webhook starts it again
            raise
