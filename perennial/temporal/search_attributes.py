"""The typed search attributes by which operators find runs. No personal data: they are stored in the clear."""

from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from perennial.contracts.views import view_of
from perennial.domain.subscription import State

SUBSCRIPTION_STATUS = SearchAttributeKey.for_keyword("SubscriptionStatus")
PLAN_CODE = SearchAttributeKey.for_keyword("PlanCode")
CUSTOMER_ID = SearchAttributeKey.for_keyword("CustomerId")
NEXT_DUE_AT: SearchAttributeKey[datetime] = SearchAttributeKey.for_datetime("NextDueAt")
DUNNING_ATTEMPT = SearchAttributeKey.for_int("DunningAttempt")


def attributes_of(state: State) -> TypedSearchAttributes:
    """What a run is started with."""
    view = view_of(state)
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(SUBSCRIPTION_STATUS, view.status),
        SearchAttributePair(PLAN_CODE, view.plan),
        SearchAttributePair(CUSTOMER_ID, view.customer_id),
        SearchAttributePair(DUNNING_ATTEMPT, view.dunning_attempt),
    ]
    if view.next_due_at:
        pairs.append(SearchAttributePair(NEXT_DUE_AT, view.next_due_at))
    return TypedSearchAttributes(pairs)
