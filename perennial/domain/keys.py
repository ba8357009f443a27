"""Business keys: the one place where what is done once gets its name.

Each is a pure function of what the thing *is*. A run id, a random id or a clock must never enter one: after a retry,
a reset or a continue-as-new the same thing must have the same name.
"""

from hashlib import sha256

_ONE_OFF = "one_off"


def period_invoice(subscription: str, period_no: int) -> str:
    return f"invoice:{subscription}:{period_no}:period"


def change_invoice(subscription: str, request_id: str) -> str:
    return f"invoice:{subscription}:change:{request_id}"


def final_invoice(subscription: str, period_no: int) -> str:
    """What was used up to the end, billed when the subscription ends in this period."""
    return f"invoice:{subscription}:{period_no}:final"


def gift_invoice(gift: str) -> str:
    return f"invoice:{gift}:purchase"


def one_off_invoice(invoice: str) -> str:
    """A draft has an id before it is anything else, and the invoice keeps it (`invoice_id`)."""
    return f"invoice:{invoice}:{_ONE_OFF}"


def charge(invoice: str, attempt: int) -> str:
    return f"charge:{invoice}:{attempt}"


def credit(subject: str, request_id: str) -> str:
    return f"credit:{subject}:{request_id}"


def credit_grant(customer: str, request_id: str) -> str:
    """Credit that was given for nothing in return."""
    return f"grant:{customer}:{request_id}"


def surplus(invoice: str) -> str:
    """The credit note for what a change gives back beyond what it costs."""
    return f"credit:{invoice}:surplus"


def refund(credit_key: str, n: int) -> str:
    return f"refund:{credit_key}:{n}"


def dispute(charge_key: str, gateway_ref: str) -> str:
    """One charge can be disputed more than once; the gateway tells its disputes apart."""
    return f"dispute:{charge_key}:{gateway_ref}"


def notify(kind: str, subject: str) -> str:
    return f"notify:{kind}:{subject}"


def by_channel(key: str, channel: str) -> str:
    """The key of a message on one of its channels; by mail it is the message's own."""
    return key if channel == "email" else f"{key}:{channel}"


def document_id(prefix: str, key: str) -> str:
    """A stable id for what has a business key, so that a repeated write makes the same row."""
    return f"{prefix}_{sha256(key.encode()).hexdigest()[:24]}"


def invoice_id(key: str) -> str:
    """The id of the invoice with this business key; that of a one-off invoice is its own subject."""
    return invoice_subject(key) if key.endswith(f":{_ONE_OFF}") else document_id("inv", key)


def parse_charge(key: str) -> tuple[str, int]:
    """The invoice key and attempt of a charge key.

    Raises:
        ValueError: if it is not one.
    """
    head, _, attempt = key.rpartition(":")
    kind, _, invoice = head.partition(":")
    if kind != "charge" or not invoice:
        msg = f"{key!r} is no charge key"
        raise ValueError(msg)
    return invoice, int(attempt)


def invoice_subject(key: str) -> str:
    """The subscription or gift that an invoice key belongs to, or the one-off invoice itself."""
    return key.split(":")[1]
