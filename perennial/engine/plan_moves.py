"""Who is moved to which version of a plan, and by which command: the same for the preview and the real thing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from perennial.db.models import PlanVersion, Subscription
from perennial.db.repositories import catalog
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import InvalidInput, UnsupportedCurrency
from perennial.domain.money import exponent
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import ChangePlan, Command, When
from perennial.engine import plans
from perennial.engine.previews import previewed_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlanMigration:
    """`to_version` None: the newest. `from_versions` None: all older ones. `currency` None: every one.

    `effective_at` is the instant (UTC) that a change at once is computed for, None now; who lives on a test clock is
    moved at the instant where that stands.
    """

    plan: str
    to_version: int | None = None
    from_versions: tuple[int, ...] | None = None
    currency: str | None = None
    when: When = When.PERIOD_END
    proration: ProrationBasis | None = None
    effective_at: datetime | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What a `NewPlanMigration` means; see there."""

    plan: str
    to_version: int
    from_versions: tuple[int, ...]
    currency: str | None
    when: When
    proration: ProrationBasis | None
    effective_at: datetime

    def subjects(self) -> Select[str]:
        """The ids of those who are to be moved."""
        wanted = select(Subscription.id).where(
            Subscription.plan_code == self.plan,
            Subscription.plan_version.in_(self.from_versions),
            Subscription.ended_at.is_(None),
        )
        return wanted if self.currency is None else wanted.where(Subscription.currency == self.currency)

    def terms(self, session: Session, currency: str) -> PlanTerms:
        """Raises UnsupportedCurrency: the new version is not sold in it."""
        row = catalog.version(session, self.plan, self.to_version)
        terms = catalog.terms(row, currency) if row else None
        if terms is None:
            raise UnsupportedCurrency(self.plan, currency)
        return terms

    def command(self, request_id: str) -> Callable[[Session, Subscription, datetime], Command]:
        """For `subscriptions.command` and `previews.preview_change`."""

        def make(session: Session, row: Subscription, at: datetime) -> Command:
            return ChangePlan(
                request_id=request_id,
                at=at if row.test_clock_id else self.effective_at,
                actor="migration",
                terms=self.terms(session, row.currency),
                when=self.when,
                proration=self.proration,
                only_from=self.from_versions,
            )

        return make


def resolve(session: Session, new: NewPlanMigration, now: datetime) -> Move:
    """Archived plans are moved too: whoever has the plan may have its next version.

    Raises:
        NotFound: there is no such plan.
        InvalidInput: there is no such version, nothing to move away from, or the preview is too old.
    """
    plans.require(session, new.plan)
    numbers = list(
        session.scalars(
            select(PlanVersion.version).where(PlanVersion.plan_code == new.plan).order_by(PlanVersion.version)
        )
    )
    target = numbers[-1] if new.to_version is None else new.to_version
    if target not in numbers:
        raise InvalidInput(f"plan {new.plan!r} has no version {target}", field="to_version")
    older = tuple(number for number in numbers if number < target)
    if new.from_versions is None and not older:
        raise InvalidInput(f"plan {new.plan!r} has no version before {target}", field="to_version")
    sources = tuple(sorted(set(new.from_versions or older)))
    for number in sources:
        if number not in numbers or number == target:
            raise InvalidInput(f"version {number} is none to move away from", field="from_versions")
    if new.currency is not None:
        exponent(new.currency)
    effective_at = previewed_instant(new.effective_at, now)
    return Move(new.plan, target, sources, new.currency, new.when, new.proration, effective_at)
