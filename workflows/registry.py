"""Every workflow."""

from typing import Any

from workflows.gift import GiftWorkflow
from workflows.plan_migration import PlanMigrationWorkflow
from workflows.subscription import SubscriptionWorkflow

WORKFLOWS: tuple[type[Any], ...] = (SubscriptionWorkflow, GiftWorkflow, PlanMigrationWorkflow)
