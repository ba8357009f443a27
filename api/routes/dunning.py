"""Dunning policies: made in versions, given to groups of customers, applied to cases that run."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing
from api.routing import GuardedRoute
from api.schemas.dunning import (
    AppliedPolicyOut,
    ApplyPolicy,
    AssignPolicy,
    DunningPolicyOut,
    NewDunningPolicy,
)
from api.security import REQUIRE_KEY
from perennial.db.models import DunningPolicyVersion
from perennial.db.repositories.dunning import groups_of, policy_of
from perennial.engine import dunning
from perennial.engine.context import Engine

router = APIRouter(
    prefix="/v1/dunning-policies",
    tags=["dunning"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.post("", status_code=201, responses=WRITE)
async def create_dunning_policy(body: NewDunningPolicy, engine: EngineDep, _: NamesDep) -> DunningPolicyOut:
    """A new policy, or the next version of one. What equals the newest version is that version."""
    made = await dunning.create_version(engine, body.code, body.policy)
    return await _policy(engine, made.code, made.version)


@router.get("")
async def list_dunning_policies(engine: EngineDep, place: PageDep, code: Filter = None) -> Listing[DunningPolicyOut]:
    """Every version of every policy, or of one."""
    return await listing(engine, DunningPolicyVersion, place, _outs, code=code)


@router.get("/{code}")
async def get_dunning_policy(
    code: str, engine: EngineDep, version: Annotated[int | None, Query(ge=1, le=1_000_000)] = None
) -> DunningPolicyOut:
    """That version, or the newest."""
    return await _policy(engine, code, version)


@router.post("/{code}/assign", responses=WRITE)
async def assign_dunning_policy(code: str, body: AssignPolicy, engine: EngineDep, _: NamesDep) -> DunningPolicyOut:
    """New cases of this group's customers go by the newest version of it, whatever their plans say."""
    await dunning.assign(engine, body.group, code)
    return await _policy(engine, code)


@router.post("/{code}/unassign", responses=WRITE)
async def unassign_dunning_policy(code: str, body: AssignPolicy, engine: EngineDep, _: NamesDep) -> DunningPolicyOut:
    """New cases of this group's customers go by their plans again. A group that has another policy keeps it."""
    await dunning.unassign(engine, body.group, code)
    return await _policy(engine, code)


@router.post("/{code}/apply", responses=WRITE)
async def apply_dunning_policy(
    code: str, engine: EngineDep, _: NamesDep, body: ApplyPolicy | None = None
) -> AppliedPolicyOut:
    """Puts a page of the cases that run on a version. Days go on counting from each one's first failure."""
    body = body or ApplyPolicy()
    done = await dunning.apply(engine, code, body.version, group=body.group, after=body.after, limit=body.limit)
    return AppliedPolicyOut.model_validate(done)


async def _policy(engine: Engine, code: str, version: int | None = None) -> DunningPolicyOut:
    def load(session: Session) -> DunningPolicyOut:
        return _outs(session, [dunning.require(session, code, version)])[0]

    return await engine.read(load)


def _outs(session: Session, rows: Sequence[DunningPolicyVersion]) -> list[DunningPolicyOut]:
    groups = groups_of(session, [row.code for row in rows])
    return [_out(row, groups.get(row.code, [])) for row in rows]


def _out(row: DunningPolicyVersion, groups: list[str]) -> DunningPolicyOut:
    policy = policy_of(row)
    same = ("grace_days", "final_action", "on_hard_decline", "retry_hour", "prefer_paydays", "notices")
    return DunningPolicyOut(
        code=row.code,
        version=row.version,
        retry_offsets_days=list(policy.retry_offsets_days),
        groups=groups,
        created_at=row.created_at,
        **{name: getattr(policy, name) for name in same},
    )
