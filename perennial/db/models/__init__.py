"""Every table, so that migrations and repositories see them all."""

from perennial.db.models.base import Base
from perennial.db.models.catalog import Coupon, Plan, PlanVersion
from perennial.db.models.checkouts import CheckoutSession
from perennial.db.models.coupons import CouponRedemption
from perennial.db.models.credits import CreditGrant, CreditUse
from perennial.db.models.customers import Customer, LocationEvidence, PaymentMethod
from perennial.db.models.disputes import Dispute
from perennial.db.models.drafts import DocumentMemo, OneOffInvoice
from perennial.db.models.dunning import DunningAssignment, DunningCase, DunningPolicyVersion
from perennial.db.models.findings import Finding, GatewayCharge, Tour
from perennial.db.models.invoices import (
    Correction,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    NumberSeries,
)
from perennial.db.models.ledger import CreditBalance, LedgerEntry, LedgerTransaction
from perennial.db.models.messages import IdempotencyKey, MailboxMessage, OutboxMessage
from perennial.db.models.payments import PaymentAttempt, Refund, WebhookEvent
from perennial.db.models.plan_migrations import PlanMigration, PlanMigrationItem
from perennial.db.models.recognitions import Recognition
from perennial.db.models.routing import PaymentMethodToken, RoutingTable
from perennial.db.models.seller import Seller
from perennial.db.models.subscriptions import Gift, ServiceSpan, Subscription, TestClock, TimelineEntry
from perennial.db.models.support import BatchReset, BatchResetItem, EndedSession, SupportAction
from perennial.db.models.tax import OwnTaxRate
from perennial.db.models.usage import Meter, UsageBilled, UsageEvent, UsageWindow

__all__ = [
    "Base",
    "BatchReset",
    "BatchResetItem",
    "CheckoutSession",
    "Correction",
    "Coupon",
    "CouponRedemption",
    "CreditBalance",
    "CreditGrant",
    "CreditNote",
    "CreditUse",
    "Customer",
    "Dispute",
    "DocumentMemo",
    "DunningAssignment",
    "DunningCase",
    "DunningPolicyVersion",
    "EndedSession",
    "Finding",
    "GatewayCharge",
    "Gift",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLine",
    "InvoiceTax",
    "LedgerEntry",
    "LedgerTransaction",
    "LocationEvidence",
    "MailboxMessage",
    "Meter",
    "NumberSeries",
    "OneOffInvoice",
    "OutboxMessage",
    "OwnTaxRate",
    "PaymentAttempt",
    "PaymentMethod",
    "PaymentMethodToken",
    "Plan",
    "PlanMigration",
    "PlanMigrationItem",
    "PlanVersion",
    "Recognition",
    "Refund",
    "RoutingTable",
    "Seller",
    "ServiceSpan",
    "Subscription",
    "SupportAction",
    "TestClock",
    "TimelineEntry",
    "Tour",
    "UsageBilled",
    "UsageEvent",
    "UsageWindow",
    "WebhookEvent",
]
