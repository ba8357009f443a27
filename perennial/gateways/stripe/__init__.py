"""Stripe behind the gateway port: off-session cards, 3-D Secure, refunds, disputes, webhooks."""

from perennial.gateways.stripe.gateway import StripeGateway, build

__all__ = ["StripeGateway", "build"]
