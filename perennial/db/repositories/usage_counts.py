"""Meters in SQL: what a meter says of a stretch, as an expression that any statement can ask of its own rows.

One expression counts for the bill, for entitlements and for alerts, so they agree. It reads the meter from its row `m`
(`meters`); the law is `perennial.domain.usage.aggregate`.
"""

# A CASE keeps texts that are no numbers from being cast: the parts of an AND may be looked at in any order.
_NUMBER = r"CASE WHEN {0} ~ '^-?[0-9]{{1,18}}(\.[0-9]{{1,12}})?$' THEN CAST({0} AS numeric) END"
_FILTERED = _NUMBER.format("(e.properties ->> (f ->> 'property'))")
_BOUND = "CAST(f -> 'values' ->> 0 AS numeric)"
_PASSES = f"""
coalesce(CASE f ->> 'comparison'
    WHEN 'exists' THEN e.properties ? (f ->> 'property')
    WHEN 'ne' THEN e.properties ->> (f ->> 'property') IS DISTINCT FROM f -> 'values' ->> 0
    WHEN 'gt' THEN {_FILTERED} > {_BOUND}
    WHEN 'gte' THEN {_FILTERED} >= {_BOUND}
    WHEN 'lt' THEN {_FILTERED} < {_BOUND}
    WHEN 'lte' THEN {_FILTERED} <= {_BOUND}
    ELSE f -> 'values' ? (e.properties ->> (f ->> 'property'))
END, false)"""

VALUE = _NUMBER.format("(e.properties ->> m.property)")
"""The number in the event `e` that the meter `m` looks at; null if there is none."""

NEWEST_FIRST = 'e.at DESC, e.id COLLATE "C" DESC'
OLDEST_FIRST = 'e.at, e.id COLLATE "C"'


def chosen(subscription: str, starts_at: str, ends_at: str) -> str:
    """The events `e` that the meter `m` looks at in a stretch, a number in its property not asked for."""
    return f"""
FROM usage_events e
WHERE e.subscription_id = {subscription} AND e.at >= {starts_at} AND e.at < {ends_at} AND e.name = m.event
AND (m.filters = '[]' OR NOT EXISTS (SELECT FROM jsonb_array_elements(m.filters) AS f WHERE NOT {_PASSES}))"""


def measured(subscription: str, starts_at: str, ends_at: str) -> str:
    """What the meter `m` says of the stretch, numeric. The arguments are SQL; nothing foreign may be in them."""
    events = chosen(subscription, starts_at, ends_at)
    return f"""
coalesce(CASE m.aggregation
    WHEN 'count' THEN (SELECT CAST(count(*) AS numeric) {events})
    WHEN 'unique' THEN (SELECT CAST(count(DISTINCT e.properties ->> m.property) AS numeric) {events})
    WHEN 'sum' THEN (SELECT sum({VALUE}) {events})
    WHEN 'max' THEN (SELECT max({VALUE}) {events})
    ELSE (SELECT {VALUE} {events} AND {VALUE} IS NOT NULL ORDER BY {NEWEST_FIRST} LIMIT 1)
END, 0)"""
