"""`perennial invoices pdf | xml | html | validate`: what people and their accountants are sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of, status
from perennial.cli.session import FOUND_WRONG, run, unusable, within
from perennial.documents.document import Document
from perennial.documents.files import Form, render
from perennial.documents.load import credit_note_document, invoice_document
from perennial.documents.verdicts import Verdict, every_document, judge
from perennial.domain.errors import NotFound

Name = Annotated[str, typer.Argument(metavar="ID", help="inv_..., cn_... or a number")]
Out = Annotated[Path | None, typer.Option(help="Where to write it; else beside you, under its number.")]


_CHECKED = (
    Column("ID", of("id")),
    Column("Number", of("number")),
    Column("E-invoice", status("verdict")),
    Column("Found", lambda row: "; ".join(row.found)),
)


def register(app: typer.Typer) -> None:
    """Puts the commands into `perennial invoices`."""
    for command in (pdf, xml, html, validate):
        app.command()(command)


def pdf(document: Name, out: Out = None, as_json: Json = False) -> None:
    """The PDF of an invoice or credit note, with the e-invoice in it where there can be one."""
    _write(document, Form.PDF, out, as_json=as_json)


def xml(document: Name, out: Out = None, as_json: Json = False) -> None:
    """The e-invoice (Factur-X, EN 16931) of an invoice or credit note."""
    _write(document, Form.XML, out, as_json=as_json)


def html(document: Name, out: Out = None, as_json: Json = False) -> None:
    """The page of an invoice or credit note."""
    _write(document, Form.HTML, out, as_json=as_json)


def validate(
    document: Annotated[str | None, typer.Argument(metavar="[ID]", help="inv_..., cn_... or a number")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every invoice and credit note.")] = False,
    as_json: Json = False,
) -> None:
    """Check e-invoices against the schema and business rules of EN 16931. Exit code 1 when one breaks a rule, or lacks
    data that would make it complete.
    """
    if every == (document is not None):
        unusable("name one document, or --all")
    documents = run(lambda engine: engine.read(lambda session: list(_wanted(session, document))))
    checked = [judge(each) for each in documents]
    output.show_list("E-invoices", _CHECKED, checked, as_json=as_json)
    if any(each.verdict in (Verdict.WRONG, Verdict.INCOMPLETE) for each in checked):
        raise typer.Exit(FOUND_WRONG)


def _wanted(session: Session, name: str | None) -> Iterator[Document]:
    if name is None:
        yield from every_document(session)
    else:
        yield _load(session, name)


def _load(session: Session, name: str) -> Document:
    try:
        return invoice_document(session, name)
    except NotFound:
        return credit_note_document(session, name)


def _write(name: str, form: Form, out: Path | None, *, as_json: bool) -> None:
    document = run(lambda engine: engine.read(lambda session: _load(session, name)))
    file = within(lambda: render(document, form))
    path = out or Path(file.name)
    path.write_bytes(file.content)
    if as_json:
        output.print_json({"path": str(path), "media_type": file.media_type, "bytes": len(file.content)})
    else:
        typer.echo(str(path))
