"""One-off invoices and their workflows: finalise, send commands, start again what is missing."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.orm import Session
from temporalio.client import (
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.workflows import INVOICE, InvoiceInput
from perennial.db.models import Invoice, OneOffInvoice, TestClock
from perennial.db.repositories import drafts
from perennial.domain.drafts import CollectBy
from perennial.domain.errors import EngineUnavailable, InvalidInput, InvoiceNotOpen, NotFound
from perennial.domain.one_off import DraftEmpty, InvoiceFinal, OneOffState, OneOffStatus
from perennial.domain.subscription.commands import Command
from perennial.engine import customers
from perennial.engine.context import RPC_TIMEOUT, Engine, from_thread, start_workflow, temporal_call
from perennial.engine.drafts import due_at
from perennial.engine.runs import ANSWER_TIMEOUT_SECONDS, RefusedBySubscription
from perennial.engine.subscriptions import OUTCOME_TIMEOUT_SECONDS, edge_time
from perennial.temporal.search_attributes import owned_by

T = TypeVar("T")
_POLL_SECONDS = 0.03


async def finalise(engine: Engine, invoice_id: str) -> bool:
    """The draft is issued under its id, and charged or sent; False when that still goes on after ten seconds.

    Whoever finalises it a second time, or at the same time, gets the same answer.

    Raises:
        NotFound: no such draft.
        InvoiceFinal: it is an invoice that was never a draft.
        DraftEmpty: it has no line.
        InvalidInput: it is to be charged, and there is nothing to charge.
        EngineUnavailable: nothing has been done.
    """
    loop = asyncio.get_running_loop()

    def start(session: Session) -> None:
        row = _require(session, invoice_id)
        if row.status != drafts.DRAFT:
            return
        state = _prepare(engine, session, row)
        row.finalised_at = state.created_at
        for name, value in drafts.columns(state).items():
            setattr(row, name, value)
        session.flush()
        # Inside the transaction: if Temporal is away it stays a draft. The workflow waits for the row that is locked.
        from_thread(loop, _start(engine, state))

    await engine.write(start)
    return await _outcome(engine, invoice_id)


def _require(session: Session, invoice_id: str) -> OneOffInvoice:
    row = session.get(OneOffInvoice, invoice_id, with_for_update=True, populate_existing=True)
    if row is None and session.get(Invoice, invoice_id) is not None:
        raise InvoiceFinal(invoice_id)
    if row is None or row.status == drafts.DELETED:
        raise NotFound("invoice", invoice_id)
    return row


def _prepare(engine: Engine, session: Session, row: OneOffInvoice) -> OneOffState:
    if not row.lines:
        raise DraftEmpty(row.id)
    now = edge_time(engine, session, row.test_clock_id)
    start = now.replace(microsecond=0)
    collect = CollectBy(row.collect)
    return OneOffState(
        id=row.id,
        customer_id=row.customer_id,
        collect=collect,
        status=OneOffStatus.OPEN,
        created_at=start,
        as_of=start,
        due_at=due_at(session, row, start),
        payment_method_id=method_for(session, row) if collect is CollectBy.CHARGE else row.payment_method_id,
        test_clock_id=row.test_clock_id,
        clock_offset=now - engine.clock() if row.test_clock_id else timedelta(),
    )


def method_for(session: Session, row: OneOffInvoice, wanted: str | None = None) -> str:
    """What is charged: what is `wanted`, what the draft names, or the customer's default.

    Raises:
        InvalidInput: there is none (`payment_method_id`).
    """
    named = wanted or row.payment_method_id
    if named:
        return customers.require_method(session, row.customer_id, named).id
    default = customers.default_method(session, row.customer_id)
    if default is None:
        raise InvalidInput(
            "the customer has no payment method: name one, or send the invoice", field="payment_method_id"
        )
    return default.id


async def _start(engine: Engine, state: OneOffState) -> None:
    summary = f"one-off invoice: {state.collect.value}"
    await start_workflow(engine, INVOICE, InvoiceInput(state), state.id, summary, owned_by(state.customer_id))


async def _outcome(engine: Engine, invoice_id: str) -> bool:
    """Whether it is issued, and charged if it is to be charged."""
    deadline = time.monotonic() + OUTCOME_TIMEOUT_SECONDS
    while True:
        state = await engine.read(lambda session: drafts.load_state(session.get_one(OneOffInvoice, invoice_id)))
        tried = state.status.is_ended or state.collect is CollectBy.SEND or state.attempt > 0
        if state.step and tried and not state.in_flight:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)


async def send(engine: Engine, invoice_id: str, name: str, command: Command) -> bool:
    """Send the update `name`; False when its effects still go on after ten seconds. A missing workflow is started.

    Raises:
        CommandRefused: `RefusedBySubscription` keeps the code.
        EngineUnavailable: Temporal or its workers are away.
    """
    handle = engine.temporal.get_workflow_handle(invoice_id)

    async def ask() -> WorkflowUpdateHandle[OneOffState]:
        return await _accepted(
            handle.start_update(
                name,
                command,
                id=command.request_id,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                result_type=OneOffState,
                rpc_timeout=RPC_TIMEOUT,
            )
        )

    try:
        sent = await ask()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        if not await repair(engine, invoice_id):
            raise InvoiceNotOpen(invoice_id) from error
        sent = await ask()
    return await _answered(invoice_id, sent)


async def _accepted(call: Awaitable[T]) -> T:
    try:
        return await temporal_call(call)
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        message = "no worker answers"
        raise EngineUnavailable(message) from error


async def _answered(invoice_id: str, sent: WorkflowUpdateHandle[OneOffState]) -> bool:
    try:
        await asyncio.wait_for(
            sent.result(rpc_timeout=timedelta(seconds=ANSWER_TIMEOUT_SECONDS)), ANSWER_TIMEOUT_SECONDS
        )
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type:
            raise RefusedBySubscription(invoice_id, error.cause.type, error.cause.message) from error
        raise
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        return False
    return True


async def repair(engine: Engine, invoice_id: str) -> bool:
    """Start the workflow of a finalised invoice again from its row; False if there is none, or it is settled.

    A new run has not skipped any time, so a test clock's offset is taken anew.
    """
    row = await engine.read(lambda session: session.get(OneOffInvoice, invoice_id))
    if row is None or row.status != drafts.FINALISED:
        return False
    state = drafts.load_state(row)
    if row.test_clock_id is not None:
        clock = await engine.read(lambda session: session.get_one(TestClock, row.test_clock_id))
        state = replace(state, clock_offset=max(clock.now, state.as_of) - engine.clock())
    await _start(engine, state)
    return True
