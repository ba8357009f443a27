"""What a reader is shown: every part as text, in his words, figures and days. No markup, no layout."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Who:
    label: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """`notes` stand below the description: when, how the price came about, what was taken off."""

    description: str
    notes: tuple[str, ...]
    quantity: str
    unit_price: str
    tax: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sum:
    """`weight`: plain, quiet (a part of what stands above it), strong, or final: what is to be paid."""

    label: str
    value: str
    weight: str = "plain"


@dataclass(frozen=True, slots=True)
class Heads:
    description: str
    quantity: str
    unit_price: str
    tax: str
    amount: str


@dataclass(frozen=True, slots=True)
class Payment:
    title: str
    text: str
    account: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class View:
    """`lang` and `region` as in BCP 47; `tone` of the state: good, due, bad or quiet. An empty text shows nothing."""

    lang: str
    region: str
    paper: str
    title: str
    kind: str
    number: str
    corrects: str
    headline: Fact
    state: str
    tone: str
    facts: tuple[Fact, ...]
    seller: Who
    buyer: Who
    heads: Heads
    rows: tuple[Row, ...]
    sums: tuple[Sum, ...]
    payment: Payment | None
    terms: str
    notes_title: str
    notes: tuple[str, ...]
    footer: tuple[str, ...]
    page: str
    logo_alt: str
