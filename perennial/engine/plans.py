"""The catalogue: versions are added, never changed."""

from dataclasses import replace

from sqlalchemy.orm import Session

from perennial.db.models import Meter, Plan, PlanVersion
from perennial.db.repositories import catalog
from perennial.db.repositories import dunning as policies
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import InvalidInput, NotFound, PlanArchived, UnsupportedCurrency
from perennial.domain.money import exponent
from perennial.engine import channels
from perennial.engine.context import Engine
from perennial.engine.plan_checks import check_version


async def create_version(engine: Engine, new: NewPlanVersion) -> PlanVersion:
    """The next version of the plan. Subscriptions keep the version they have.

    Raises:
        InvalidInput: one of its kinds, naming the field.
    """
    check_version(new)
    channels.check(engine, new.dunning)
    return await engine.write(lambda session: add(engine, session, new))


def add(engine: Engine, session: Session, new: NewPlanVersion) -> PlanVersion:
    """The version, with its meters known, and its dunning policy copied.

    Raises:
        InvalidInput: a charge or a limit names a meter that there is not, or no longer; or there is no such policy.
    """
    if new.dunning_policy is not None:
        policy = policies.newest(session, new.dunning_policy)
        if policy is None:
            raise InvalidInput(f"no dunning policy is called {new.dunning_policy!r}", field="dunning_policy")
        new = replace(new, dunning=policies.policy_of(policy))
    for field, parts in (("charges", new.charges), ("entitlements", new.entitlements)):
        for n, part in enumerate(parts):
            code = part.get("meter")
            meter = session.get(Meter, code) if code else None
            if code and (meter is None or meter.archived_at):
                raise InvalidInput(f"no meter is called {code!r}", field=f"{field}[{n}].meter")
    return catalog.add_version(session, new, engine.clock())


async def get(engine: Engine, code: str) -> PlanVersion:
    """The newest version."""
    return await engine.read(lambda session: require(session, code))


def require(session: Session, code: str) -> PlanVersion:
    row = catalog.latest(session, code)
    if row is None:
        raise NotFound("plan", code)
    return row


def require_terms(session: Session, code: str, currency: str, *, sellable: bool = True) -> PlanTerms:
    """What the newest version means in `currency`.

    Raises:
        NotFound, UnknownCurrency, UnsupportedCurrency.
        PlanArchived: if it is `sellable` that is asked for.
    """
    exponent(currency)
    row = require(session, code)
    if sellable and session.get_one(Plan, code).archived_at:
        raise PlanArchived(code)
    terms = catalog.terms(row, currency)
    if terms is None:
        raise UnsupportedCurrency(code, currency)
    return terms


async def terms(engine: Engine, code: str, currency: str) -> PlanTerms:
    return await engine.read(lambda session: require_terms(session, code, currency))


async def archive(engine: Engine, code: str) -> None:
    """No new subscribers; those it has stay."""

    def mark(session: Session) -> None:
        require(session, code)
        plan = session.get_one(Plan, code, with_for_update=True)
        plan.archived_at = plan.archived_at or engine.clock()

    await engine.write(mark)
