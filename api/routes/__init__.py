"""Every router, in the order of the documentation."""

from fastapi import APIRouter

from api.routes import (
    catalogue,
    checkout,
    commands,
    coupons,
    credit_notes,
    credits,
    customers,
    disputes,
    documents,
    dunning,
    findings,
    gifts,
    health,
    invoice_files,
    invoicing,
    messages,
    meters,
    payment_methods,
    plan_migrations,
    reports,
    seller,
    subscriptions,
    tax_rates,
    test_clocks,
    usage,
    webhooks,
)

# What is asked for without an API key.
PUBLIC: tuple[APIRouter, ...] = (health.router, webhooks.router)
ROUTERS: tuple[APIRouter, ...] = (
    subscriptions.router,
    commands.router,
    customers.router,
    credits.router,
    payment_methods.router,
    checkout.router,
    catalogue.router,
    plan_migrations.router,
    coupons.router,
    dunning.router,
    # Before the documents: `/invoices/{id}` would take `inv_1.pdf` for an id.
    invoice_files.router,
    documents.router,
    disputes.router,
    invoicing.router,
    credit_notes.router,
    meters.router,
    usage.router,
    gifts.router,
    seller.router,
    tax_rates.router,
    test_clocks.router,
    messages.router,
    reports.router,
    findings.router,
)
