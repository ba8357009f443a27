"""The dashboard's words: how a subscription stands, what a refusal means and what to do instead."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus

from api.errors import Problem
from perennial.contracts.views import SubscriptionView

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?(?:\+00:00|Z)")
_TITLES = {
    HTTPStatus.NOT_FOUND: "There is no such thing",
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.CONFLICT: "Refused",
    HTTPStatus.UNPROCESSABLE_ENTITY: "This cannot be done",
    HTTPStatus.SERVICE_UNAVAILABLE: "Something is away just now",
}
_INSTEAD = {
    "not_found": "Look for it by its id: sub_..., cus_..., inv_..., or the number of an invoice.",
    "form_not_ours": "Nothing was done. Go back, load the page again and send it from there.",
    "card_number_refused": "Nothing was done. Write the reason without the card's number.",
    "charge_in_flight": "Press Retry: it asks the gateway what became of the charge. Reset afterwards.",
    "would_forget": "Choose one of the later steps that the refusal names.",
    "unknown_step": "Go back to the list of steps; it may have grown since you opened it.",
    "nothing_fails": "Nothing goes wrong there. Choose a step from the list, or look at the replay.",
    "no_history": "Press Retry: it starts the workflow again from its row. There is nothing to reset to.",
    "clock_advancing": "Its test clock moves. Wait until it has arrived, then try again.",
    "subscription_parked": "It is parked: unpark it first.",
    "not_parked": "It is not parked, so it needs no unparking. If it stands still, press Retry.",
    "subscription_ended": "It has ended. Only reactivating it, through the API, begins a new life.",
    "unchanged": "Go back and look at what would happen now.",
    "engine_unavailable": "Nothing was lost. Try again in a few seconds.",
}
_STATUS = {
    "incomplete": "The first payment is not settled yet",
    "trialing": "In its trial",
    "active": "Active",
    "past_due": "Past due: a payment has failed and is tried again",
    "unpaid": "Unpaid: every attempt has failed",
    "paused": "Paused",
    "canceled": "Ended",
    "expired": "Expired before its first payment",
}


def title_of(problem: Problem) -> str:
    return _TITLES.get(problem.status, "Something went wrong on our side")


def what_instead(code: str) -> str:
    """What to do after a refusal; empty where its own words say it."""
    return _INSTEAD.get(code, "")


def standing(view: SubscriptionView) -> str:
    """How it stands, in a few words."""
    return _STATUS.get(view.status, view.status.replace("_", " ").capitalize())


def sentences(view: SubscriptionView) -> Iterator[str]:
    """What else there is to know, a sentence each."""
    yield f"Plan {view.plan}, version {view.plan_version}, quantity {view.quantity}, in {view.currency}."
    for addon in view.addons:
        yield f"With {addon.quantity} x {addon.code}."
    if view.ended_at:
        yield f"It ended on {instant(view.ended_at)} ({view.end_reason})."
        return
    yield f"The subscriber is {'served' if view.access else 'not served'}."
    yield f"This period: {instant(view.period_start)} to {instant(view.period_end)}."
    if view.parked_since:
        yield f"Support has parked it on {instant(view.parked_since)}: nothing happens by itself."
    elif view.next_due_at and view.next_due_kind:
        yield f"Next: {view.next_due_kind.replace('_', ' ')} on {instant(view.next_due_at)}."
    else:
        yield "Nothing is due: only a command moves it."
    if view.dunning_attempt:
        why = f" ({view.decline_code})" if view.decline_code else ""
        yield f"{view.dunning_attempt} attempts at what is owed have failed{why}."
        yield f"Dunning goes by the policy {view.dunning_policy or 'of its plan'}."
    yield from _to_come(view)


def _to_come(view: SubscriptionView) -> Iterator[str]:
    if view.cancel_at:
        yield f"It will end on {instant(view.cancel_at)}."
    if view.pause_at:
        yield f"It will pause on {instant(view.pause_at)}."
    if view.paused_since:
        until = f" until {instant(view.resume_at)}" if view.resume_at else ""
        yield f"Paused since {instant(view.paused_since)}{until}."
    if view.scheduled_plan and view.scheduled_at:
        yield (
            f"It will change to plan {view.scheduled_plan}, quantity {view.scheduled_quantity}, "
            f"on {instant(view.scheduled_at)}."
        )
    if view.skip_next:
        yield "The next period will be skipped."
    if view.prepaid_periods:
        yield f"{view.prepaid_periods} periods to come are prepaid by a gift."
    if view.open_disputes:
        yield f"{view.open_disputes} charges are disputed."
    if view.test_clock_id:
        yield f"It lives on the test clock {view.test_clock_id}."


def instant(at: datetime) -> str:
    """UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def plain(text: str) -> str:
    """With the instants in it as people write them."""
    return _INSTANT.sub(r"\1 \2 UTC", text)


def lateness(late: timedelta | None) -> str:
    """`2 d 3 h`; empty when nothing is overdue."""
    if late is None:
        return ""
    hours, rest = divmod(int(late.total_seconds()), 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest // 60} min"  # noqa: PLR2004 - a day
