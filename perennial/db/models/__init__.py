"""Every table, so that migrations and repositories see them all."""

from perennial.db.models.base import Base
from perennial.db.models.catalog import Coupon, Plan, PlanVersion
from perennial.db.models.customers import Customer, PaymentMethod
from perennial.db.models.invoices import CreditNote, Invoice, InvoiceLine, NumberSeries
from perennial.db.models.ledger import CreditBalance, LedgerEntry, LedgerTransaction
from perennial.db.models.messages import IdempotencyKey, MailboxMessage, OutboxMessage
from perennial.db.models.payments import PaymentAttempt, Refund, WebhookEvent
from perennial.db.models.subscriptions import Gift, ServiceSpan, Subscription, TestClock, TimelineEntry

__all__ = [
    "Base",
    "Coupon",
    "CreditBalance",
    "CreditNote",
    "Customer",
    "Gift",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLine",
    "LedgerEntry",
    "LedgerTransaction",
    "MailboxMessage",
    "NumberSeries",
    "OutboxMessage",
    "PaymentAttempt",
    "PaymentMethod",
    "Plan",
    "PlanVersion",
    "Refund",
    "ServiceSpan",
    "Subscription",
    "TestClock",
    "TimelineEntry",
    "WebhookEvent",
]
