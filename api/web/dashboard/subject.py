"""A subscription's page: how it stands, what is wrong, its story, its invoices, and what support can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import EngineDep
from api.web.dashboard.guard import PATH, DashboardRoute, SessionDep, page
from api.web.dashboard.start import Id
from api.web.dashboard.words import lateness, sentences, standing
from perennial.checks.look import look_at
from perennial.checks.stuck import diagnose
from perennial.config import Settings
from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import Invoice, Subscription, SupportAction
from perennial.domain.errors import NotFound
from perennial.engine import states
from perennial.engine.context import Engine
from perennial.support.story import Entry, story

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)

_TOLD, _INVOICES, _ACTIONS = 60, 24, 20


@dataclass(frozen=True, slots=True)
class _Rows:
    """`view` is None of what is no subscription, and of one whose row is gone."""

    view: SubscriptionView | None
    invoices: Sequence[Invoice]
    actions: Sequence[SupportAction]


@router.get("/subscriptions/{subject}")
@router.get("/others/{subject}")
async def show_subject(
    subject: Id,
    request: Request,
    engine: EngineDep,
    session: SessionDep,
    whole: Annotated[bool, Query(alias="all")] = False,  # noqa: FBT002 - a mark in the address
    done: Annotated[bool, Query()] = False,  # noqa: FBT002 - the same
) -> Response:
    """All there is to know of it, newest first.

    Raises:
        NotFound: there is neither a row nor a workflow of that id.
    """
    rows = await engine.read(lambda session: _load(session, subject))
    told = await _story(engine, subject)
    wrong = await diagnose(engine, subject)
    is_subscription = subject.startswith("sub_")
    if told is None and not (await look_at(engine, subject)).is_running:
        raise NotFound("subscription" if is_subscription else "gift, invoice, credit note or migration", subject)
    past = [entry for entry in reversed(told or []) if entry.when == "past"]
    mine = [action for action in rows.actions if action.actor == session.caller.actor]
    return page(
        request,
        "subject.html",
        title=subject,
        subject=subject,
        is_subscription=is_subscription,
        place=f"{'subscriptions' if is_subscription else 'others'}/{subject}",
        view=rows.view,
        stands=standing(rows.view) if rows.view else "",
        sentences=list(sentences(rows.view)) if rows.view else [],
        wrong=wrong,
        late=lateness(wrong.late) if wrong else "",
        now=[entry for entry in told or [] if entry.when == "now"],
        ahead=[entry for entry in told or [] if entry.when == "ahead"],
        past=past if whole else past[:_TOLD],
        more=0 if whole else max(0, len(past) - _TOLD),
        invoices=rows.invoices,
        actions=rows.actions,
        outcome=mine[0] if done and mine else None,
        temporal=_temporal_url(engine.settings, subject),
    )


async def _story(engine: Engine, subject: str) -> list[Entry] | None:
    """None of what has no story: its row is gone, or it is of a kind that has none."""
    try:
        return await story(engine, subject)
    except NotFound:
        return None


def _load(session: Session, subject: str) -> _Rows:
    row = session.get(Subscription, subject)
    invoices = select(Invoice).where((Invoice.subscription_id == subject) | (Invoice.id == subject))
    actions = select(SupportAction).where(SupportAction.subject == subject)
    return _Rows(
        view_of(states.current(session, row)) if row else None,
        session.scalars(invoices.order_by(Invoice.issued_at.desc(), Invoice.id).limit(_INVOICES)).all(),
        session.scalars(actions.order_by(SupportAction.id.desc()).limit(_ACTIONS)).all(),
    )


def _temporal_url(settings: Settings, subject: str) -> str | None:
    if settings.temporal_ui_url is None:
        return None
    namespace = quote(settings.temporal_namespace, safe="")
    return f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{quote(subject, safe='')}"
