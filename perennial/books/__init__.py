"""The books: recognising revenue, and handing the ledger to other programs."""
