"""Dunning policies, who has which, and what each case began with."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class DunningPolicyVersion(Base):
    """Never changed: another policy is another version. `policy`: see `perennial.domain.dunning.DunningPolicy`."""

    __tablename__ = "dunning_policies"

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    policy: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class DunningAssignment(Base):
    """New cases of the customers of this group go by the newest version of this policy."""

    __tablename__ = "dunning_assignments"

    customer_group: Mapped[str] = mapped_column(primary_key=True)
    policy_code: Mapped[str]
    assigned_at: Mapped[datetime]


class DunningCase(Base):
    """Which policy was in force when the case of an invoice began; null: the one that its plan version spells out.

    A workflow that is reset tells its story again: it must then hear what it heard, whatever has been assigned since.
    """

    __tablename__ = "dunning_cases"
    __table_args__ = (
        ForeignKeyConstraint(["policy_code", "policy_version"], ["dunning_policies.code", "dunning_policies.version"]),
    )

    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    policy_code: Mapped[str | None]
    policy_version: Mapped[int | None]
    begun_at: Mapped[datetime]
