#!/bin/sh
# The namespace and the search attributes. Runs at every start, after the server answers.
set -eu

until temporal operator cluster health; do sleep 1; done

# 30 days: a reset, or a replay by support, reaches back as far as closed runs are kept.
temporal operator namespace describe --namespace default ||
    temporal operator namespace create --namespace default --retention 30d

# A namespace is known to every part of the cluster a few seconds after it was made.
until temporal operator search-attribute list --namespace default > /tmp/known; do sleep 1; done

for attribute in SubscriptionStatus=Keyword PlanCode=Keyword CustomerId=Keyword NextDueAt=Datetime DunningAttempt=Int PastDueSince=Datetime Parked=Bool; do
    grep -q "${attribute%%=*}" /tmp/known ||
        temporal operator search-attribute create --namespace default \
            --name "${attribute%%=*}" --type "${attribute##*=}"
done
