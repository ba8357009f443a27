"""Gifts from outside: buy, claim, cancel."""

import asyncio
import secrets
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from temporalio.client import (
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.workflows import GIFT, GiftInput
from perennial.db.models import Gift, Subscription, TestClock
from perennial.db.repositories import gifts, records
from perennial.domain import gift as core
from perennial.domain.errors import (
    EngineUnavailable,
    GiftNotCancelable,
    GiftNotClaimable,
    InvalidInput,
    NotFound,
    PaymentMethodRequired,
)
from perennial.domain.gift import CancelGift, ClaimGift, GiftState, GiftStatus
from perennial.domain.subscription.opening import Opening, check_quantity, open_subscription
from perennial.engine import customers, plans
from perennial.engine.context import RPC_TIMEOUT, Engine, from_thread, start_workflow, temporal_call
from perennial.engine.ids import new_id
from perennial.engine.runs import RefusedBySubscription
from perennial.engine.subscriptions import OUTCOME_TIMEOUT_SECONDS, edge_time, refuse_second
from perennial.temporal.search_attributes import owned_by

_POLL_SECONDS = 0.03
# Without letters and digits that look alike; 60 bits, so that it cannot be guessed.
_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_CODE_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGift:
    """`deliver_at` None is now; `payment_method_id` None is the giver's default method."""

    giver_id: str
    plan: str
    currency: str
    periods: int
    recipient_email: str
    recipient_name: str
    quantity: int = 1
    message: str = ""
    deliver_at: datetime | None = None
    payment_method_id: str | None = None
    test_clock_id: str | None = None
    id: str | None = None


def claim_code() -> str:
    """Twelve characters in groups of four."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(code[i : i + 4] for i in range(0, _CODE_LENGTH, 4))


async def buy(engine: Engine, new: NewGift) -> Gift:
    """Row and workflow together or neither; then waits a little for the payment's outcome.

    Raises:
        InvalidInput, NotFound, PlanArchived: what `new` names.
        EngineUnavailable: nothing has been written.
    """
    loop = asyncio.get_running_loop()
    gift_id = new.id or new_id("gift")

    def insert(session: Session) -> None:
        if session.get(Gift, gift_id):
            return
        state = _prepare(engine, session, new, gift_id)
        session.add(
            Gift(
                id=gift_id,
                giver_id=new.giver_id,
                recipient_email=new.recipient_email,
                recipient_name=new.recipient_name,
                message=new.message,
                claim_code=claim_code(),
                plan_code=state.terms.code,
                plan_version=state.terms.version,
                quantity=state.quantity,
                periods=state.periods,
                currency=state.terms.currency,
                test_clock_id=state.test_clock_id,
                created_at=state.created_at,
                **gifts.columns(state),
            )
        )
        session.flush()
        from_thread(loop, _start(engine, state))

    await engine.write(insert)
    return await _settled(engine, gift_id)


def _prepare(engine: Engine, session: Session, new: NewGift, gift_id: str) -> GiftState:
    giver = customers.require(session, new.giver_id)
    terms = plans.require_terms(session, new.plan, new.currency)
    core.check_periods(new.periods)
    check_quantity(terms, new.quantity, periods=new.periods)
    now = edge_time(engine, session, new.test_clock_id)
    if new.payment_method_id:
        method = customers.require_method(session, new.giver_id, new.payment_method_id).id
    else:
        default = customers.default_method(session, new.giver_id)
        if default is None:
            raise PaymentMethodRequired(new.plan)
        method = default.id
    if new.deliver_at is not None and new.deliver_at.tzinfo is None:
        message = "needs a time zone"
        raise InvalidInput(message, field="deliver_at")
    start = now.replace(microsecond=0)
    return GiftState(
        id=gift_id,
        giver_id=giver.id,
        terms=terms,
        quantity=new.quantity,
        periods=new.periods,
        timezone=giver.timezone,
        status=GiftStatus.PENDING,
        created_at=start,
        as_of=start,
        deliver_at=max(new.deliver_at or start, start),
        payment_method_id=method,
        test_clock_id=new.test_clock_id,
        clock_offset=now - engine.clock() if new.test_clock_id else timedelta(),
    )


async def _start(engine: Engine, state: GiftState) -> None:
    summary = f"gift: {state.terms.name} x {state.quantity}, {state.periods} periods"
    await start_workflow(engine, GIFT, GiftInput(state), state.id, summary, owned_by(state.giver_id))


async def _settled(engine: Engine, gift_id: str) -> Gift:
    """The gift once its payment is decided and, if it is due at once, delivered; or as it stands after a while."""
    deadline = time.monotonic() + OUTCOME_TIMEOUT_SECONDS
    while True:
        row = await get(engine, gift_id)
        waiting = row.status == GiftStatus.PENDING or (
            row.status == GiftStatus.SCHEDULED and row.deliver_at <= row.created_at
        )
        if not waiting or time.monotonic() > deadline:
            return row
        await asyncio.sleep(_POLL_SECONDS)


async def get(engine: Engine, gift_id: str) -> Gift:
    return await engine.read(lambda session: require(session, gift_id))


def require(session: Session, gift_id: str) -> Gift:
    row = session.get(Gift, gift_id)
    if row is None:
        raise NotFound("gift", gift_id)
    return row


async def claim(
    engine: Engine, code: str, customer_id: str, *, timezone: str | None = None, request_id: str | None = None
) -> tuple[Gift, str]:
    """The recipient's subscription begins now; returns the gift and the subscription's id.

    Raises:
        NotFound: no gift has this code.
        GiftNotClaimable: not delivered yet, claimed already, expired, canceled.
        AlreadySubscribed: the customer has the plan already.
    """
    loop = asyncio.get_running_loop()
    code = code.strip().upper()
    name = request_id or new_id("req")

    def hand_over(session: Session) -> tuple[str, str]:
        row = session.scalar(select(Gift).where(Gift.claim_code == code))
        if row is None:
            raise NotFound("gift with the code", code)
        # Two at once would meet at the subscription's id. The row itself stays free: the workflow writes it meanwhile.
        if not session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(f"claim:{row.id}", 0)))):
            raise GiftNotClaimable(row.id, "the gift is being claimed at this moment")
        session.refresh(row)
        customer = customers.require(session, customer_id, lock=True)
        at = edge_time(engine, session, row.test_clock_id)
        state = gifts.load_state(row.state)
        default = customers.default_method(session, customer_id)
        command = ClaimGift(
            request_id=name,
            at=at,
            customer_id=customer_id,
            subscription_id=new_id("sub", row.id),
            timezone=timezone or customer.timezone,
            payment_method_id=default.id if default else None,
        )
        opening = core.claim(state, command, at).opening
        assert opening is not None, row.id
        _insert(session, opening)
        from_thread(loop, _update(engine, row.id, "claim", command))
        return row.id, command.subscription_id

    gift_id, subscription_id = await engine.write(hand_over)
    await _begun(engine, subscription_id)
    return await get(engine, gift_id), subscription_id


def _insert(session: Session, opening: Opening) -> None:
    """The row that the customer's lock protects against a second subscription; the child writes it from here on."""
    state = open_subscription(opening)
    refuse_second(session, state.customer_id, state.terms)
    session.add(Subscription(**records.subscription_row(state)))
    session.flush()


async def _begun(engine: Engine, subscription_id: str) -> None:
    deadline = time.monotonic() + OUTCOME_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        row = await engine.read(lambda session: session.get(Subscription, subscription_id))
        if row is not None and row.step:
            return
        await asyncio.sleep(_POLL_SECONDS)


async def cancel(engine: Engine, gift_id: str, request_id: str | None = None) -> Gift:
    """The giver gets the money back, as long as nobody has claimed it.

    Raises:
        GiftNotCancelable: it is claimed or has ended otherwise.
    """

    def prepare(session: Session) -> CancelGift:
        row = require(session, gift_id)
        return CancelGift(request_id=request_id or new_id("req"), at=edge_time(engine, session, row.test_clock_id))

    command = await engine.read(prepare)
    await _update(engine, gift_id, "cancel", command)
    return await get(engine, gift_id)


async def _update(engine: Engine, gift_id: str, name: str, command: ClaimGift | CancelGift) -> None:
    """Send an update; a missing workflow of a live gift is started again first."""
    handle = engine.temporal.get_workflow_handle(gift_id)
    for may_revive in (True, False):
        try:
            await _answered(
                temporal_call(
                    handle.execute_update(
                        name, command, id=command.request_id, result_type=GiftState, rpc_timeout=2 * RPC_TIMEOUT
                    )
                ),
                gift_id,
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or not may_revive:
                raise
            await _revive(engine, gift_id, name)
        else:
            return


async def _revive(engine: Engine, gift_id: str, name: str) -> None:
    state = gifts.load_state((await get(engine, gift_id)).state)
    if state.status.is_ended:
        refusal = GiftNotClaimable if name == "claim" else GiftNotCancelable
        raise refusal(gift_id, f"the gift is {state.status.value}")
    await repair(engine, gift_id)


async def repair(engine: Engine, gift_id: str) -> bool:
    """Start the workflow of a gift again from its row; False if there is no such gift, or it has ended.

    A new run has not skipped any time, so a test clock's offset is taken anew.
    """
    row = await engine.read(lambda session: session.get(Gift, gift_id))
    if row is None:
        return False
    state = gifts.load_state(row.state)
    if state.status.is_ended:
        return False
    if row.test_clock_id is not None:
        clock = await engine.read(lambda session: session.get_one(TestClock, row.test_clock_id))
        state = replace(state, clock_offset=max(clock.now, state.as_of) - engine.clock())
    await _start(engine, state)
    return True


async def _answered(call: Awaitable[GiftState], gift_id: str) -> None:
    try:
        await call
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        message = "no worker answers"
        raise EngineUnavailable(message) from error
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type:
            raise RefusedBySubscription(gift_id, error.cause.type, error.cause.message) from error
        raise
