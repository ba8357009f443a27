# ruff: noqa: S608 (the statements are our own)
"""Spoiled lives: workflows, spans of service, periods."""

from tests.integration.planted.model import COPY_INVOICE, LAST, SPAN, THIRD, Defect

SERVICE = (
    Defect(
        "rows_match_workflows",
        "row without a workflow",
        (
            (
                'INSERT INTO subscriptions SELECT (jsonb_populate_record(s, \'{"id": "sub_planted"}\')).* '
                "FROM subscriptions s WHERE id = :month_end"
            ),
        ),
        "it lives, but no workflow runs for it",
    ),
    Defect(
        "rows_match_workflows",
        "workflow of an ended row",
        ("UPDATE subscriptions SET ended_at = now() WHERE id = :month_end",),
        "its workflow runs, but no row lives",
    ),
    Defect(
        "rows_match_workflows",
        "gift without a row",
        ("DELETE FROM gifts WHERE id = :gift_waiting",),
        "its workflow runs, but no row lives",
    ),
    Defect(
        "rows_match_workflows",
        "one-off invoice that nobody looks after",
        ("UPDATE invoice_drafts SET status = 'finalised' WHERE id = :one_off_draft",),
        "it lives, but no workflow runs for it",
    ),
    Defect("spans_tile", "span lost", (f"DELETE FROM service_spans {SPAN}",), "a gap from"),
    Defect(
        "spans_tile",
        "span too long",
        (f"UPDATE service_spans SET ends_at = ends_at + interval '1 second' {SPAN}",),
        "two spans overlap",
    ),
    Defect(
        "spans_tile",
        "span that never ended",
        (f"UPDATE service_spans SET ends_at = NULL {SPAN}",),
        "two spans overlap",
    ),
    Defect(
        "spans_tile",
        "span turned round",
        (f"UPDATE service_spans SET ends_at = starts_at - interval '1 day' {SPAN}",),
        "before it starts",
    ),
    Defect("spans_tile", "last span lost", (f"DELETE FROM service_spans {LAST}",), "it lives, but its service"),
    Defect(
        "spans_tile", "all spans lost", ("DELETE FROM service_spans WHERE subscription_id = :month_end",), "no span"
    ),
    Defect(
        "spans_tile",
        "spans of nobody",
        ("UPDATE service_spans SET subscription_id = 'sub_none' WHERE subscription_id = :month_end",),
        "without a subscription",
    ),
    Defect(
        "spans_tile",
        "began before its service",
        ("UPDATE subscriptions SET created_at = created_at - interval '1 day' WHERE id = :month_end",),
        "it began on",
    ),
    Defect(
        "spans_tile",
        "served beyond its end",
        ("UPDATE subscriptions SET ended_at = ended_at - interval '1 day' WHERE id = :seats",),
        "it ended on",
    ),
    Defect(
        "periods_are_billed_once",
        "invoice lost",
        ("UPDATE invoices SET subscription_id = NULL WHERE subscription_id = :month_end AND period_no = 2",),
        "is paid and has no invoice",
    ),
    Defect(
        "periods_are_billed_once",
        "two invoices",
        (COPY_INVOICE.format(key="'invoice:again'", period="period_no"),),
        "has 2 invoices",
    ),
    Defect(
        "periods_are_billed_once",
        "invoice of no period",
        (COPY_INVOICE.format(key="'invoice:beyond'", period="99"),),
        "which never was",
    ),
    Defect(
        "periods_are_billed_once",
        "skipped and billed",
        (f"UPDATE service_spans SET kind = 'skipped' {SPAN}",),
        "is skipped and has invoice",
    ),
    Defect(
        "periods_are_billed_once",
        "another key",
        ("UPDATE invoices SET key = 'invoice:x' WHERE subscription_id = :month_end AND period_no = 2",),
        "has another key",
    ),
    Defect(
        "periods_are_billed_once",
        "another date",
        (
            (
                "UPDATE invoices SET period_start = period_start + interval '1 day' "
                "WHERE subscription_id = :month_end AND period_no = 2"
            ),
        ),
        "begins on",
    ),
    Defect(
        "renewals_on_time",
        "renewal left out",
        (
            (
                "UPDATE service_spans p SET ends_at = n.ends_at FROM service_spans n "
                f"WHERE p.subscription_id = :month_end AND n.subscription_id = p.subscription_id "
                f"AND n.starts_at = {THIRD} AND p.ends_at = n.starts_at"
            ),
            f"DELETE FROM service_spans {SPAN}",
        ),
        "a renewal was due on",
    ),
    Defect(
        "renewals_on_time",
        "renewal early",
        (f"UPDATE service_spans SET starts_at = starts_at - interval '1 day' {SPAN}",),
        "began on",
    ),
    Defect(
        "renewals_on_time",
        "nothing followed",
        ("UPDATE test_clocks SET now = now + interval '400 days'",),
        "and nothing followed",
    ),
    Defect(
        "renewals_on_time",
        "period too long",
        (f"UPDATE service_spans SET ends_at = ends_at + interval '40 days' {LAST}",),
        "by the calendar on",
    ),
    Defect(
        "renewals_on_time",
        "ended too late",
        (
            "DELETE FROM timeline_entries WHERE subject_id = :seats AND kind = 'cancellation_scheduled'",
            "UPDATE subscriptions SET ended_at = ended_at + interval '40 days' WHERE id = :seats",
        ),
        "it ran until",
    ),
)
