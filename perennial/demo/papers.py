"""What remains of the demo: closed books, documents, an export."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from perennial.books.formats import LedgerFormat
from perennial.books.monthly import close_months
from perennial.checks.result import CheckResult, Finding
from perennial.documents.document import Document, DocumentIncomplete, NoEInvoice
from perennial.documents.files import Form, render
from perennial.documents.verdicts import Verdict, every_document, judge
from perennial.engine.context import Engine


async def close_books(engine: Engine, end: datetime) -> None:
    """Every month that is over at the end of the demo."""
    await engine.write(lambda session: close_months(session, end))


async def judge_e_invoices(engine: Engine) -> CheckResult:
    """Each document's e-invoice against EN 16931; some cannot be said in its words (three decimals), none is wrong."""
    documents = await _documents(engine)
    checked = await asyncio.to_thread(lambda: [judge(each) for each in documents])
    count = Counter(each.verdict for each in checked)
    findings = tuple(
        Finding(each.number, "; ".join(each.found))
        for each in checked
        if each.verdict in (Verdict.WRONG, Verdict.INCOMPLETE)
    )
    seen = f"{count[Verdict.VALID]} valid, {count[Verdict.NONE]} beyond EN 16931: "
    return CheckResult(
        "e_invoices_are_valid", not findings, seen + (f"{len(findings)} wrong" if findings else "fine"), findings
    )


async def write(engine: Engine, folder: Path) -> int:
    """`ledger.beancount`, and every document as PDF and, where there is one, XML; how many files."""
    documents = await _documents(engine)
    await engine.read(lambda session: _write_ledger(session, folder / "ledger.beancount"))
    return 1 + await asyncio.to_thread(_write_documents, documents, folder / "documents")


async def _documents(engine: Engine) -> list[Document]:
    return await engine.read(lambda session: list(every_document(session)))


def _write_ledger(session: Session, file: Path) -> None:
    with file.open("w") as target:
        target.writelines(f"{line}\n" for line in LedgerFormat.BEANCOUNT.write(session, None))


def _write_documents(documents: Sequence[Document], folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    files = 0
    for document in documents:
        for form in (Form.PDF, Form.XML):
            try:
                file = render(document, form)
            except (DocumentIncomplete, NoEInvoice):
                continue
            (folder / file.name).write_bytes(file.content)
            files += 1
    return files
