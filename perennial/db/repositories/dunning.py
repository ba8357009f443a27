"""Dunning policies: their versions, whose they are, and what each case goes by."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Customer, DunningAssignment, DunningCase, DunningPolicyVersion, Subscription
from perennial.db.repositories import records
from perennial.db.repositories.invoices import IssuedInvoice
from perennial.domain.dunning import EMAIL, CaseMessage, DunningPolicy

_POLICY: TypeAdapter[DunningPolicy] = TypeAdapter(DunningPolicy)


def newest(session: Session, code: str) -> DunningPolicyVersion | None:
    wanted = select(DunningPolicyVersion).where(DunningPolicyVersion.code == code)
    return session.scalar(wanted.order_by(DunningPolicyVersion.version.desc()).limit(1))


def policy_of(row: DunningPolicyVersion) -> DunningPolicy:
    """The policy, which knows the row that it is a copy of."""
    return replace(_POLICY.validate_python(row.policy), code=row.code, version=row.version)


def add(session: Session, code: str, policy: DunningPolicy, now: datetime) -> DunningPolicyVersion:
    """The next version; the newest one, if it says just this already. Two at once get different numbers."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"dunning:{code}", 0))))
    last = newest(session, code)
    plain = replace(policy, code=None, version=None)
    if last is not None and _POLICY.validate_python(last.policy) == plain:
        return last
    row = DunningPolicyVersion(
        code=code,
        version=last.version + 1 if last else 1,
        policy=_POLICY.dump_python(plain, mode="json"),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def groups_of(session: Session, codes: Collection[str]) -> dict[str, list[str]]:
    """Whose customers go by each of these policies."""
    found = select(DunningAssignment).where(DunningAssignment.policy_code.in_(codes))
    groups: dict[str, list[str]] = {}
    for row in session.scalars(found.order_by(DunningAssignment.customer_group)):
        groups.setdefault(row.policy_code, []).append(row.customer_group)
    return groups


def assign(session: Session, group: str, code: str, now: datetime) -> None:
    """New cases of this group's customers go by the policy, instead of the one they had."""
    row = upsert(DunningAssignment).values(customer_group=group, policy_code=code, assigned_at=now)
    session.execute(
        row.on_conflict_do_update(
            index_elements=["customer_group"], set_={"policy_code": code, "assigned_at": row.excluded.assigned_at}
        )
    )


def unassign(session: Session, group: str, code: str) -> None:
    """New cases of this group's customers go by their plans again, if it was this policy that they had."""
    session.execute(
        delete(DunningAssignment).where(
            DunningAssignment.customer_group == group, DunningAssignment.policy_code == code
        )
    )


@dataclass(frozen=True, slots=True)
class Case:
    """What an invoice whose payment has failed goes by. `told` is what the workflow hears: None: its plan's own.

    `in_force` decides which channels a message has at `step`; None: it belongs to no subscription, and goes by mail.
    """

    told: DunningPolicy | None = None
    in_force: DunningPolicy | None = None
    step: int = 0

    def channels(self, message: CaseMessage) -> tuple[str, ...]:
        return self.in_force.channels(message, self.step) if self.in_force else (EMAIL,)


def case_of(session: Session, invoice: IssuedInvoice, at: datetime) -> Case:
    """The case of this invoice, which begins now if it has not: then the policies of this moment count for it.

    A subscription's own policy comes first, then that of the customer's group, then the newest version of the one that
    the plan names, then what the plan spells out.
    """
    if invoice.subscription_id is None:
        return Case()
    row = session.execute(
        select(Subscription.state, Customer.customer_group)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(Subscription.id == invoice.subscription_id)
    ).one_or_none()
    if row is None:
        return Case()
    state = records.load_state(row.state)
    case = state.collection
    told = _told(session, invoice.id, row.customer_group, state.terms.dunning.code, at)
    has_begun = case is not None and case.first_failed_at is not None
    in_force = state.policy if has_begun else state.dunning or told or state.terms.dunning
    return Case(told, in_force, case.retries_used if case else 0)


def _told(
    session: Session, invoice_id: str, group: str | None, of_plan: str | None, at: datetime
) -> DunningPolicy | None:
    begun = session.get(DunningCase, invoice_id)
    if begun is None:
        assigned = session.get(DunningAssignment, group) if group else None
        code = assigned.policy_code if assigned else of_plan
        policy = newest(session, code) if code else None
        values = {
            "policy_code": policy.code if policy else None,
            "policy_version": policy.version if policy else None,
            "begun_at": at,
        }
        session.execute(upsert(DunningCase).values(invoice_id=invoice_id, **values).on_conflict_do_nothing())
        begun = session.get_one(DunningCase, invoice_id)
    if begun.policy_code is None:
        return None
    return policy_of(session.get_one(DunningPolicyVersion, (begun.policy_code, begun.policy_version)))
