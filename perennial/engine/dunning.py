"""Dunning policies from outside: made in versions, given to groups of customers, applied to cases that run."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from temporalio.service import RPCError

from perennial.db.models import Customer, DunningPolicyVersion, Subscription
from perennial.db.repositories import dunning
from perennial.domain.dunning import DunningPolicy
from perennial.domain.errors import (
    ClockAdvancing,
    CommandRefused,
    EngineUnavailable,
    InvalidInput,
    NotFound,
)
from perennial.domain.subscription import Status
from perennial.domain.subscription.commands import Command, SetDunning
from perennial.engine import channels, subscriptions
from perennial.engine.context import Engine
from perennial.engine.customers import check_group
from perennial.engine.ids import new_id
from perennial.engine.runs import CommandPending

CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
# So many are asked at the same time: renewals and other people's commands want the worker too.
WIDTH = 6


async def create_version(engine: Engine, code: str, policy: DunningPolicy) -> DunningPolicyVersion:
    """The next version of a policy; new cases go by it. What equals the newest version is that version.

    Raises:
        InvalidInput, InvalidPolicy.
    """
    if not CODE.fullmatch(code):
        raise InvalidInput("lower-case letters, digits and -, at most 64", field="code")
    channels.check(engine, policy)
    return await engine.write(lambda session: dunning.add(session, code, policy, engine.clock()))


async def get(engine: Engine, code: str, version: int | None = None) -> DunningPolicyVersion:
    """That version, or the newest. Raises NotFound."""
    return await engine.read(lambda session: require(session, code, version))


def require(session: Session, code: str, version: int | None = None) -> DunningPolicyVersion:
    row = dunning.newest(session, code) if version is None else session.get(DunningPolicyVersion, (code, version))
    if row is None:
        raise NotFound("dunning policy", code if version is None else f"{code}@{version}")
    return row


async def assign(engine: Engine, group: str, code: str) -> None:
    """New cases of this group's customers go by the newest version of this policy, whatever their plans say.

    Raises:
        NotFound: no such policy.
        InvalidInput: what no group can be called.
    """
    check_group(group)

    def write(session: Session) -> None:
        require(session, code)
        dunning.assign(session, group, code, engine.clock())

    await engine.write(write)


async def unassign(engine: Engine, group: str, code: str) -> None:
    """New cases of this group's customers go by their plans again, if it was this policy that they had.

    Raises:
        NotFound: no such policy.
    """

    def write(session: Session) -> None:
        require(session, code)
        dunning.unassign(session, group, code)

    await engine.write(write)


@dataclass(frozen=True, slots=True)
class Refusal:
    subscription_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a page of cases: who goes by the policy now, who refused and why, who has not answered.

    `next` is the `after` of the following page; None on the last one.
    """

    policy: str
    applied: tuple[str, ...]
    refused: tuple[Refusal, ...]
    waiting: tuple[str, ...]
    next: str | None


async def apply(
    engine: Engine,
    code: str,
    version: int | None = None,
    *,
    group: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Applied:
    """Put cases that run on this version (None: the newest): those of the policy, or, with `group`, of its customers.

    Each subscription is asked through its own workflow. A case that goes by the version already is not asked, so it may
    be done again at any time.

    Raises:
        NotFound: no such policy or version.
        EngineUnavailable: nobody on the page has answered.
    """
    policy = dunning.policy_of(await get(engine, code, version))
    wanted = _running(policy, group).where(Subscription.id > (after or "")).limit(limit)
    page = await engine.read(lambda session: list(session.scalars(wanted)))
    width = asyncio.Semaphore(WIDTH)

    async def ask(subscription: str) -> Refusal | str | None:
        async with width:
            return await _apply(engine, subscription, policy)

    answers = await asyncio.gather(*(ask(subscription) for subscription in page))
    if page and not any(answers):
        raise EngineUnavailable(f"none of {len(page)} subscriptions answers")
    return Applied(
        f"{policy.code}@{policy.version}",
        applied=tuple(answer for answer in answers if isinstance(answer, str)),
        refused=tuple(answer for answer in answers if isinstance(answer, Refusal)),
        waiting=tuple(each for each, answer in zip(page, answers, strict=True) if answer is None),
        next=page[-1] if len(page) == limit else None,
    )


def _running(policy: DunningPolicy, group: str | None) -> Select[str]:
    """Subscriptions with a case that runs on another version of the policy, or, with `group`, on anything else.

    Who has a policy of their own keeps it.
    """
    state = Subscription.state
    case = state["collection"]
    named = func.coalesce(case["policy"]["code"].astext, state["terms"]["dunning"]["code"].astext)
    numbered = func.coalesce(case["policy"]["version"].astext, state["terms"]["dunning"]["version"].astext)
    running = select(Subscription.id).where(
        # In all others there is no case, or it is over.
        Subscription.status.in_((Status.PAST_DUE, Status.PAUSED)),
        case["first_failed_at"].astext.is_not(None),
        state["dunning"].astext.is_(None),
        (named.is_distinct_from(policy.code)) | (numbered.is_distinct_from(str(policy.version))),
    )
    if group is None:
        running = running.where(named == policy.code)
    else:
        running = running.join(Customer, Customer.id == Subscription.customer_id).where(
            Customer.customer_group == group
        )
    return running.order_by(Subscription.id)


async def _apply(engine: Engine, subscription: str, policy: DunningPolicy) -> Refusal | str | None:
    """None when there is no answer yet."""

    def make(_session: Session, _row: Subscription, at: datetime) -> Command:
        return SetDunning(request_id=new_id("req"), at=at, actor="dunning", policy=policy, case_only=True)

    try:
        await subscriptions.command(engine, subscription, "set_dunning", make)
    except (EngineUnavailable, CommandPending, ClockAdvancing, RPCError):
        return None
    except CommandRefused as refusal:
        return Refusal(subscription, refusal.code, refusal.message)
    return subscription
