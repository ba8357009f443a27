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
PAST_DUE_SINCE: SearchAttributeKey[datetime] = SearchAttributeKey.for_datetime("PastDueSince")
PARKED = SearchAttributeKey.for_bool("Parked")

# What a namespace has to know, by its name: the type, as the server's tools call it.
TYPES = {
    key.name: key.indexed_value_type.name.capitalize()
    for key in (SUBSCRIPTION_STATUS, PLAN_CODE, CUSTOMER_ID, NEXT_DUE_AT, DUNNING_ATTEMPT, PAST_DUE_SINCE, PARKED)
}


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
    if since := past_due_since(state):
        pairs.append(SearchAttributePair(PAST_DUE_SINCE, since))
    if state.parked_at:
        pairs.append(SearchAttributePair(PARKED, True))
    return TypedSearchAttributes(pairs)


def owned_by(customer: str) -> TypedSearchAttributes:
    """What every other run of a customer's is started with: a gift (its giver's), an invoice, a credit note."""
    return TypedSearchAttributes([SearchAttributePair(CUSTOMER_ID, customer)])


def past_due_since(state: State) -> datetime | None:
    """When the first attempt at what is owed failed, domain time in UTC; None while nothing is owed."""
    return state.collection.first_failed_at if state.collection else None
