"""The documents: numbered without a gap, paid once, nothing left hanging, everything told."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.result import EVERYTHING, Finding, Outcome, Slice, count, outcome, rows
from perennial.engine.context import Engine

# Documents bear the instant that was due when it was at most an hour ago: an attempt may look an hour older than it is.
PENDING_FOR_LONG = timedelta(minutes=90)
# Machine time. The relay looks every quarter of a second; a message that failed waits 2 s, 4 s, 8 s, ...
UNDELIVERED_FOR_LONG = timedelta(minutes=5)
FAILED_OFTEN = 6

_NUMBERED = text("SELECT sum(next_number - 1) FROM number_series")
# `INV-000042` of the series `invoice`, `INV-2027-000042` of `invoice:2027`. Prefixes change; the series goes on.
# A prefix is anything that does not end like a year, so a number says of which series it is: with a year in it, of
# that year's. Prefixes may have changed on the way; the counters went on.
_NUMBERS = text(
    """
WITH documents AS (
    SELECT 'invoice' AS kind, id, number FROM invoices
    UNION ALL
    SELECT 'credit_note', id, number FROM credit_notes
), read AS (
    SELECT kind, id, number, regexp_match(number, '^[A-Z0-9-]{1,12}?(?:-([0-9]{4}))?-([0-9]{6,})$') AS parts
    FROM documents
), taken AS (
    SELECT kind || coalesce(':' || parts[1], '') AS series, id, CAST(parts[2] AS bigint) AS n
    FROM read WHERE parts IS NOT NULL
)
SELECT id AS subject, format('its number is %s', coalesce(number, 'missing')) AS problem
FROM read WHERE parts IS NULL
UNION ALL
SELECT s.name, format('number %s is missing', expected.n)
FROM number_series s CROSS JOIN LATERAL generate_series(1, s.next_number - 1) AS expected (n)
WHERE NOT EXISTS (SELECT FROM taken t WHERE t.series = s.name AND t.n = expected.n)
UNION ALL
SELECT t.id, format('its number %s was never given out', t.n)
FROM taken t LEFT JOIN number_series s ON s.name = t.series
WHERE t.n < 1 OR s.name IS NULL OR t.n >= s.next_number
UNION ALL
SELECT min(t.id), format('number %s is on %s documents', t.n, count(*)) FROM taken t
GROUP BY t.series, t.n HAVING count(*) > 1
"""
)

_PENDING = text("SELECT count(*) FROM payment_attempts WHERE status = 'pending'")
_STUCK = text(
    """
WITH clock AS (
    SELECT 'subscription' AS kind, s.id, c.now, c.status FROM subscriptions s
    JOIN test_clocks c ON c.id = s.test_clock_id
    UNION ALL
    SELECT 'gift', g.id, c.now, c.status FROM gifts g JOIN test_clocks c ON c.id = g.test_clock_id
    UNION ALL
    SELECT 'invoice', d.id, c.now, c.status FROM invoice_drafts d JOIN test_clocks c ON c.id = d.test_clock_id
), waiting AS (
    SELECT a.id, a.invoice_id, a.started_at AS since, 'attempt' AS what FROM payment_attempts a
    WHERE a.status = 'pending'
    UNION ALL
    SELECT r.id, a.invoice_id, r.created_at, 'refund' FROM refunds r
    JOIN payment_attempts a ON a.id = r.attempt_id WHERE r.status = 'pending' AND r.gateway_ref IS NULL
)
SELECT w.id AS subject, format('the %s of invoice %s is pending since %s', w.what, w.invoice_id, w.since) AS problem
FROM waiting w JOIN invoices i ON i.id = w.invoice_id
LEFT JOIN clock c ON c.id = coalesce(i.subscription_id, i.gift_id, i.id)
WHERE CASE WHEN c.id IS NULL THEN w.since < :long_ago ELSE c.status = 'ready' AND w.since < c.now END
"""
)

_MESSAGES = text("SELECT count(*) FROM outbox_messages")
_UNDELIVERED = text(
    """
SELECT key AS subject,
       format('not delivered after %s attempts, next one due %s%s', attempts, next_attempt_at,
              coalesce(': ' || last_error, '')) AS problem
FROM outbox_messages
WHERE delivered_at IS NULL AND (next_attempt_at < :long_ago OR attempts >= :often)
ORDER BY id
"""
)


def numbers_have_no_gap(session: Session, _engine: Engine, _part: Slice = EVERYTHING) -> Outcome:
    """In each series numbers run from 1 to the last one given out, each once."""
    return outcome(f"{count(session, _NUMBERED)} numbers", rows(session, _NUMBERS))


def no_payment_hangs(session: Session, engine: Engine, _part: Slice = EVERYTHING) -> Outcome:
    """No attempt or refund waits for the gateway's answer for long; on a test clock that stands still, none at all."""
    found: list[Finding] = rows(session, _STUCK, long_ago=engine.clock() - PENDING_FOR_LONG)
    return outcome(f"{count(session, _PENDING)} pending attempts", found)


def messages_are_delivered(session: Session, engine: Engine, _part: Slice = EVERYTHING) -> Outcome:
    """Nothing that must be told waits in the outbox for long."""
    found = rows(session, _UNDELIVERED, long_ago=engine.clock() - UNDELIVERED_FOR_LONG, often=FAILED_OFTEN)
    return outcome(f"{count(session, _MESSAGES)} messages", found)
