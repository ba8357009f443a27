"""What each gateway took and gave back by day, from the ledger, beside what the gateway's own books say of it."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

# Of a charge, the gateway is believed as its list told it in the last whole tour of the reconciliation. One that is
# posted and not in that list is younger than it, unless the tour has asked for it by name and found nothing.
_BY_DAY = text(
    """
WITH posted AS (
    SELECT t.key, t.kind, e.account, e.currency, e.amount, (t.at AT TIME ZONE 'UTC')::date AS day,
           substr(e.account, strpos(e.account, ':') + 1) AS gateway
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account LIKE 'cash:%'
      AND (CAST(:currency AS text) IS NULL OR e.currency = :currency)
), moved AS (
    SELECT gateway, currency, day,
           count(*) FILTER (WHERE kind IN ('payment', 'overpayment')) AS payments,
           coalesce(sum(amount) FILTER (WHERE kind IN ('payment', 'overpayment')), 0) AS captured,
           -coalesce(sum(amount) FILTER (WHERE kind LIKE 'refund%'), 0) AS refunded,
           -coalesce(sum(amount) FILTER (WHERE kind LIKE 'dispute%'), 0) AS disputed,
           sum(amount) AS net
    FROM posted GROUP BY gateway, currency, day
), listed AS (
    SELECT * FROM gateway_charges
    WHERE listed_at >= coalesce((SELECT began_at FROM tours WHERE name = 'gateways'), '-infinity')
), charges AS (
    SELECT p.gateway, p.currency, p.day, p.amount,
           coalesce(-back.amount, 0) AS refunded, coalesce(-gone.amount, 0) AS disputed,
           CASE WHEN l.charge_key IS NOT NULL THEN l.captured WHEN f.id IS NOT NULL THEN 0 END AS their_captured,
           coalesce(l.refunded, 0) AS their_refunded, l.disputed AS their_disputed
    FROM posted p
    LEFT JOIN listed l ON l.gateway = p.gateway AND 'payment:' || l.charge_key = p.key AND l.currency = p.currency
    LEFT JOIN findings f ON f.subject = substr(p.key, 9) AND f.source = 'ledger:' || p.gateway
                        AND f.kind = 'unknown_there' AND f.resolved_at IS NULL
    LEFT JOIN payment_attempts a ON a.key = substr(p.key, 9)
    LEFT JOIN LATERAL (
        SELECT sum(e.amount) AS amount FROM refunds r
        JOIN ledger_transactions t ON t.key IN ('payment:' || r.key, 'returned:' || r.key)
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = p.account
        WHERE r.attempt_id = a.id
    ) back ON true
    LEFT JOIN LATERAL (
        SELECT sum(e.amount) AS amount FROM disputes d
        JOIN ledger_transactions t ON t.subject_id = d.id AND t.kind LIKE 'dispute%'
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = p.account
        WHERE d.attempt_id = a.id
    ) gone ON true
    WHERE p.kind IN ('payment', 'overpayment') AND p.gateway <> 'outside'
), compared AS (
    SELECT gateway, currency, day, coalesce(sum(amount) FILTER (WHERE their_captured IS NULL), 0) AS not_compared,
           coalesce(sum(their_captured - amount - (their_refunded - refunded) - coalesce(their_disputed - disputed, 0))
                    FILTER (WHERE their_captured IS NOT NULL), 0) AS difference
    FROM charges GROUP BY gateway, currency, day
    UNION ALL
    SELECT gateway, currency, NULL, 0, sum(captured - refunded - coalesce(disputed, 0)) FROM listed l
    WHERE (CAST(:currency AS text) IS NULL OR currency = :currency)
      AND NOT EXISTS (SELECT FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                      WHERE t.key = 'payment:' || l.charge_key AND e.account = 'cash:' || l.gateway
                        AND e.currency = l.currency)
    GROUP BY gateway, currency HAVING sum(captured - refunded - coalesce(disputed, 0)) <> 0
)
SELECT gateway, currency, day, coalesce(m.payments, 0) AS payments, coalesce(m.captured, 0) AS captured,
       coalesce(m.refunded, 0) AS refunded, coalesce(m.disputed, 0) AS disputed, coalesce(m.net, 0) AS net,
       coalesce(c.not_compared, 0) AS not_compared,
       coalesce(m.net, 0) + coalesce(c.difference, 0) AS gateway_net, coalesce(c.difference, 0) AS difference
FROM moved m FULL JOIN compared c USING (gateway, currency, day)
WHERE (CAST(:since AS date) IS NULL OR day >= :since OR day IS NULL)
  AND (CAST(:until AS date) IS NULL OR day <= :until OR day IS NULL)
ORDER BY day NULLS LAST, gateway, currency
"""
)
_AMOUNTS = ("payments", "captured", "refunded", "disputed", "net", "not_compared", "gateway_net", "difference")


def settlements(session: Session, parameters: Parameters) -> list[Row]:
    """What moved at each gateway by calendar day (UTC) and currency, in minor units, from `since` to `until` inclusive.

    `payments` is how many were captured, `captured` their sum, `refunded` what went back, `disputed` what cardholders'
    banks took less what they gave back. `net` is what the account `cash:{gateway}` moved by: over all days it is that
    account's balance in the trial balance. What a gateway keeps for its work is not in it: its payouts tell that.

    `gateway_net` is the same day by the gateway's own books, as its list told them to the last tour of the
    reconciliation, and `difference` what it has more (or, below nought, less) than we. A difference in a refund or a
    dispute stands on the day of its charge. `not_compared` was captured after that tour and counts as agreed. A row
    without a day is what the gateway has and we never posted. `outside` is what was recorded past all gateways.
    """
    found = session.execute(_BY_DAY, dict(parameters))
    return [
        row._asdict()
        | {"day": row.day.isoformat() if row.day else None}
        | {name: int(getattr(row, name)) for name in _AMOUNTS}
        for row in found
    ]


REPORT = Report(
    name="settlements",
    title="Settlements by day",
    columns=(
        Column("day", "Day"),
        Column("gateway", "Gateway"),
        Column("currency", "Currency"),
        Column("payments", "Payments", Kind.COUNT),
        Column("captured", "Captured", Kind.MONEY),
        Column("refunded", "Refunded", Kind.MONEY),
        Column("disputed", "Disputed", Kind.MONEY),
        Column("net", "Net", Kind.MONEY),
        Column("not_compared", "Not compared", Kind.MONEY),
        Column("gateway_net", "Gateway's net", Kind.MONEY),
        Column("difference", "Difference", Kind.MONEY),
    ),
    parameters=(
        Parameter("since", ParameterKind.DAY, "First day (default: from the beginning)."),
        Parameter("until", ParameterKind.DAY, "Last day (default: to the end)."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=settlements,
)
