"""What may be true of an invoice. An open one is closed once: paid, void (never owed) or uncollectible (a loss)."""

OPEN, PAID, VOID, UNCOLLECTIBLE = "open", "paid", "void", "uncollectible"
