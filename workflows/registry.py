"""Every workflow."""

from typing import Any

from workflows.subscription import SubscriptionWorkflow

WORKFLOWS: tuple[type[Any], ...] = (SubscriptionWorkflow,)
