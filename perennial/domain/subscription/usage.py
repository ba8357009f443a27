"""Stretches of service whose usage is charged in arrears, and when what is billed has to be paid."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import calendar
from perennial.domain.subscription.state import State, UsageStretch


def close_usage(state: State, at: datetime) -> State:
    """What has been used since the last time becomes due, on the terms under which it was used; counting goes on."""
    if state.usage_from is None or not state.terms.charges or at <= state.usage_from:
        return state
    terms = state.terms
    stretch = UsageStretch(state.period_no, state.usage_from, at, terms.charges, terms.tax_inclusive)
    return replace(state, usage_due=(*state.usage_due, stretch), usage_from=at)


def count_usage(state: State, at: datetime) -> State:
    """Usage counts from `at` on, if these terms measure any."""
    return replace(state, usage_from=at if state.terms.charges else None)


def without_usage(state: State) -> State:
    """Nothing was served, so nothing was used."""
    return replace(state, usage_from=None, usage_due=())


def due_date(state: State, at: datetime) -> datetime | None:
    """Until when an invoice of `at` is to be paid; None: it is charged at once."""
    return None if state.net_days is None else calendar.add_local_days(at, state.net_days, state.timezone)
