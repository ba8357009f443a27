"""Looks that change nothing: the history against today's code, and the invoices that would come."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from api.commands import maker
from api.deps import EngineDep
from api.schemas.support import WhatIf
from api.web.dashboard.guard import PATH, DashboardRoute, page
from api.web.dashboard.start import Id
from api.web.dashboard.words import standing, what_instead
from perennial.domain.errors import CommandRefused, InvalidInput, NotFound, PerennialError
from perennial.engine import subscriptions
from perennial.engine.forecasts import forecast
from workflows.registry import WORKFLOWS

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)

# What can be asked, in the words of the form, and the fields that it goes by.
CHANGES = {
    "": ("as it is", ()),
    "change_plan": ("another plan", ("plan", "quantity", "when")),
    "change_quantity": ("another quantity", ("quantity", "when")),
    "cancel": ("canceled", ("when",)),
    "pause": ("paused", ("when",)),
    "resume": ("resumed", ()),
    "skip_next": ("the next period skipped", ()),
    "apply_coupon": ("a coupon", ("coupon",)),
    "reactivate": ("reactivated", ()),
}
Field = Annotated[str, Query(max_length=64)]


@router.get("/subscriptions/{subject}/replay")
async def show_replay(subject: Id, request: Request, engine: EngineDep) -> Response:
    """Its recorded runs against today's code."""
    # Not sooner: the Temporal worker is slow to import.
    from perennial.checks.replay import replay_one

    runs = await replay_one(engine, WORKFLOWS, subject)
    return page(request, "replay.html", title=f"Replay of {subject}", subject=subject, runs=runs)


@router.get("/subscriptions/{subject}/what-if")
async def show_what_if(
    subject: Id,
    request: Request,
    engine: EngineDep,
    change: Field = "",
    plan: Field = "",
    quantity: Field = "",
    when: Field = "",
    coupon: Field = "",
) -> Response:
    """The next twelve invoices if this were done now. What cannot be done is said above the form."""
    await subscriptions.get(engine, subject)
    given = {"plan": plan, "quantity": quantity, "when": when, "coupon": coupon}
    found, refusal = None, ""
    try:
        changes = [maker(engine, each.command, each, "what_if") for each in _asked(change, given).changes]
        found = await forecast(engine, subject, changes)
    except (CommandRefused, InvalidInput, NotFound) as refused:
        refusal = _words(refused)
    return page(
        request,
        "what_if.html",
        title=f"What if, for {subject}",
        subject=subject,
        changes=CHANGES,
        change=change,
        given=given,
        found=found,
        stands=standing(found.view) if found else "",
        refusal=refusal,
    )


def _asked(change: str, given: dict[str, str]) -> WhatIf:
    """Raises InvalidInput: the form is not filled in as this change needs it."""
    if change not in CHANGES:
        raise InvalidInput("choose what is changed", field="change")
    body: dict[str, Any] = {name: given[name] for name in CHANGES[change][1] if given[name]}
    if "quantity" in body:
        if not body["quantity"].isdecimal():
            raise InvalidInput("the quantity is a whole number", field="quantity")
        body["quantity"] = int(body["quantity"])
    try:
        return WhatIf.model_validate({"changes": [{"command": change} | body] if change else []})
    except ValidationError as error:
        fields = ", ".join(dict.fromkeys(str(each["loc"][-1]) for each in error.errors()))
        raise InvalidInput(f"not acceptable: {fields}", field="change") from None


def _words(refused: PerennialError) -> str:
    instead = what_instead(refused.code)
    return f"{refused.message}. {instead}" if instead else refused.message
