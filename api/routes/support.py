"""Support: looks at a subscription from the inside, sets it back, mends it, puts it aside; each time with a reason."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.subscriptions import SubscriptionOut
from api.schemas.support import (
    Because,
    PlannedReset,
    PlanOut,
    RebuiltOut,
    ReplayedOut,
    Replays,
    ResetOut,
    ResetTo,
    RetriedOut,
    StepOut,
    Steps,
    Story,
    StoryItem,
    StuckList,
    StuckOut,
    SupportActionOut,
)
from api.security import REQUIRE_KEY, authenticate
from perennial.checks.stuck import find_stuck
from perennial.db.models import SupportAction
from perennial.support import desk
from perennial.support.audit import Who
from perennial.support.reset import life, planned
from perennial.support.story import story
from workflows.registry import WORKFLOWS

router = APIRouter(
    prefix="/v1/support", tags=["support"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ | WRITE
)


def _actor(request: Request) -> str:
    """Whose API key it is; the name of one says nothing of the key."""
    return authenticate(request).actor


ActorDep = Annotated[str, Depends(_actor)]


@router.get("/stuck")
async def list_stuck(engine: EngineDep) -> StuckList:
    """What does not move although it should, why, and the command that helps."""
    return StuckList(data=[StuckOut.model_validate(each) for each in await find_stuck(engine)])


@router.get("/actions")
async def list_support_actions(
    engine: EngineDep, place: PageDep, subject: Filter = None, actor: Filter = None
) -> Listing[SupportActionOut]:
    """Who did what, when and why, and what came of it."""
    return await listing(engine, SupportAction, place, plainly(SupportActionOut), subject=subject, actor=actor)


@router.get("/subscriptions/{subscription_id}/timeline")
async def get_support_timeline(subscription_id: str, engine: EngineDep) -> Story:
    """Its timeline with what support did, what fails now, and what it will do by itself."""
    return Story(data=[StoryItem.model_validate(entry) for entry in await story(engine, subscription_id)])


@router.get("/subscriptions/{subscription_id}/steps")
async def list_steps(subscription_id: str, engine: EngineDep) -> Steps:
    """Its life as steps, by the names that a reset knows."""
    _, steps = await life(engine, subscription_id)
    return Steps(data=[StepOut.model_validate(step) for step in steps])


@router.get("/subscriptions/{subscription_id}/replay")
async def replay_subscription(subscription_id: str, engine: EngineDep) -> Replays:
    """Its recorded runs against the code of this installation: the first step that would be decided otherwise."""
    # Not sooner: the Temporal worker is slow to import.
    from perennial.checks.replay import replay_one

    runs = await replay_one(engine, WORKFLOWS, subscription_id)
    return Replays(data=[ReplayedOut.model_validate(run) for run in runs])


@router.post("/subscriptions/{subscription_id}/reset")
async def reset_subscription(
    subscription_id: str, body: ResetTo, engine: EngineDep, names: NamesDep, actor: ActorDep
) -> PlannedReset:
    """Its story is told again from a step; what it has done is found done. A dry run, unless told otherwise."""
    workflows = WORKFLOWS if body.before_error else None
    wanted = await planned(engine, subscription_id, to=body.to, workflows=workflows)
    done = None
    if not body.dry_run:
        done = await desk.reset(engine, Who(actor, body.reason), wanted, names.request_id)
    return PlannedReset(
        plan=PlanOut.model_validate(wanted), done=ResetOut.model_validate(done) if done is not None else None
    )


@router.post("/subscriptions/{subscription_id}/rebuild")
async def rebuild_subscription(
    subscription_id: str, body: Because, engine: EngineDep, _: NamesDep, actor: ActorDep
) -> RebuiltOut:
    """Its row, timeline and spans are written again from its history."""
    return RebuiltOut.model_validate(await desk.rebuild(engine, Who(actor, body.reason), subscription_id))


@router.post("/subscriptions/{subscription_id}/park")
async def park_subscription(
    subscription_id: str, body: Because, engine: EngineDep, names: NamesDep, actor: ActorDep
) -> SubscriptionOut:
    """Nothing renews, is retried or obeyed until it is unparked; payments that come are taken."""
    who = Who(actor, body.reason)
    return SubscriptionOut.model_validate(await desk.park(engine, who, subscription_id, names.request_id))


@router.post("/subscriptions/{subscription_id}/unpark")
async def unpark_subscription(
    subscription_id: str, body: Because, engine: EngineDep, names: NamesDep, actor: ActorDep
) -> SubscriptionOut:
    """What fell due meanwhile is done now, each thing once, in its order."""
    who = Who(actor, body.reason)
    return SubscriptionOut.model_validate(await desk.unpark(engine, who, subscription_id, names.request_id))


@router.post("/{subject_id}/retry")
async def retry_now(subject_id: str, body: Because, engine: EngineDep, _: NamesDep, actor: ActorDep) -> RetriedOut:
    """What is stuck is tried now: of a subscription, gift, invoice, credit note or plan migration."""
    return RetriedOut(id=subject_id, did=await desk.retry(engine, Who(actor, body.reason), subject_id))
