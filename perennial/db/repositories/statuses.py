"""What may be true of an invoice. An open one is closed once: paid, void (never owed) or uncollectible (a loss)."""

OPEN, PAID, VOID, UNCOLLECTIBLE = "open", "paid", "void", "uncollectible"
# The gateway of what was paid past all gateways, by bank transfer or cheque: nothing can be sent back through it.
OUTSIDE = "outside"
