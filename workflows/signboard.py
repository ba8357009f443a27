"""What a run shows of itself in the Temporal UI without being opened."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from perennial.contracts.views import view_of
    from perennial.contracts.workflows import DASHBOARD_URL
    from perennial.domain import keys
    from perennial.domain import subscription as core
    from perennial.domain.money import Money
    from perennial.temporal.search_attributes import (
        DUNNING_ATTEMPT,
        NEXT_DUE_AT,
        PARKED,
        PAST_DUE_SINCE,
        PLAN_CODE,
        SUBSCRIPTION_STATUS,
        past_due_since,
    )


class Signboard:
    """Upserts search attributes only when they change (each upsert is an event) and keeps the details current.

    The details say what a run is even where its static summary is missing: no SDK call gives one to a continued run.
    """

    def __init__(self, state: core.State) -> None:
        self._shown = _attributes(state)

    def show(self, state: core.State) -> None:
        workflow.set_current_details(_details(state))
        status, plan, next_due_at, attempt, since, parked = _attributes(state)
        before = self._shown
        updates: list[SearchAttributeUpdate[Any]] = []
        if status != before[0]:
            updates.append(SUBSCRIPTION_STATUS.value_set(status))
        if plan != before[1]:
            updates.append(PLAN_CODE.value_set(plan))
        if next_due_at != before[2]:
            updates.append(NEXT_DUE_AT.value_set(next_due_at) if next_due_at else NEXT_DUE_AT.value_unset())
        if attempt != before[3]:
            updates.append(DUNNING_ATTEMPT.value_set(attempt))
        if since != before[4]:
            updates.append(PAST_DUE_SINCE.value_set(since) if since else PAST_DUE_SINCE.value_unset())
        if parked != before[5]:
            updates.append(PARKED.value_set(True) if parked else PARKED.value_unset())
        if updates:
            workflow.upsert_search_attributes(updates)
            self._shown = (status, plan, next_due_at, attempt, since, parked)


def _attributes(state: core.State) -> tuple[str, str, datetime | None, int, datetime | None, bool]:
    view = view_of(state)
    since, is_parked = past_due_since(state), state.parked_at is not None
    return view.status, view.plan, view.next_due_at, view.dunning_attempt, since, is_parked


def _details(state: core.State) -> str:
    view = view_of(state)
    price = Money(state.full_amount, state.currency)
    parked = f" · **parked** by support since {_instant(state.parked_at)}" if state.parked_at else ""
    lines = [
        f"period {state.period_no}: {_instant(view.period_start)} to {_instant(view.period_end)}",
        coming(view.next_due_kind, view.next_due_at),
    ]
    if state.period_invoices:
        lines.append(f"last invoice: {_invoice(state.period_invoices[-1])}")
    if state.collection and view.decline_code:
        owed = _invoice(state.collection.invoice)
        lines.append(f"owed: {owed}, attempt {view.dunning_attempt}: {view.decline_code}")
    if view.cancel_at:
        lines.append(f"ends {view.cancel_at:%Y-%m-%d}")
    lines.append(page_of("subscriptions", state.id))
    sold = f"{state.terms.name} x {state.quantity} · {price} / {state.terms.interval}"
    return board(f"**{view.status}** · {sold}{parked}", lines)


def board(heading: str, lines: Iterable[str]) -> str:
    """Markdown. Without the empty line the UI shows a list as one paragraph, dashes and all."""
    return "\n".join((heading, "", *(f"- {line}" for line in lines)))


def coming(kind: str | None, at: datetime | None) -> str:
    """What it does next by itself."""
    return f"next: {kind} {_instant(at)}" if kind and at else "next: a command"


def page_of(kind: str, subject: str) -> str:
    """Where the dashboard tells more."""
    return f"dashboard: {linked(f'{kind}/{subject}', f'`{subject}`')}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _invoice(key: str) -> str:
    return linked(f"invoices/{keys.invoice_id(key)}", f"`{key}`")


def linked(path: str, text: str) -> str:
    """Markdown: a link to this page of the dashboard, where the worker has said where that is."""
    dashboard = workflow.extern_functions().get(DASHBOARD_URL)
    return f"[{text}]({dashboard()}/{path})" if dashboard else text
