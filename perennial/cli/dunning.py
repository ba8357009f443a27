"""`perennial dunning`: policies for failed payments, whose they are, and the cases that run."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, RequestId
from perennial.cli.output import Column, at, of
from perennial.cli.session import FOUND_WRONG, run, unusable, within
from perennial.cli.subscription_commands import ACTOR, Subject, send
from perennial.db.models import DunningPolicyVersion, Subscription
from perennial.db.repositories.dunning import groups_of, policy_of
from perennial.domain import declines
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.domain.subscription import commands as c
from perennial.engine import dunning, pages
from perennial.engine.context import Engine
from perennial.engine.dunning import Applied
from perennial.engine.ids import new_id

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What happens when payments fail.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="The policy's code.")]
Version = Annotated[int | None, typer.Option(min=1, help="Which version (default: the newest).")]
Group = Annotated[str, typer.Option(help="A group of customers (`perennial customers create --group`).")]
FIELDS: Sequence[str] = tuple(name for name in DunningPolicy.__slots__ if name not in ("code", "version"))
_POLICY = TypeAdapter(DunningPolicy)

_POLICIES = (
    Column("Code", of("code")),
    Column("Version", of("version"), right=True),
    Column("Retries after days", lambda row: ", ".join(map(str, policy_of(row).retry_offsets_days)) or "none"),
    Column("Grace", lambda row: _grace(policy_of(row))),
    Column("Finally", lambda row: policy_of(row).final_action.value),
    Column("Created", at("created_at")),
)
_CASES = (
    Column("Subscription", lambda row: row[0]),
    Column("Result", lambda row: row[1]),
    Column("Why", lambda row: row[2]),
)
_DECLINES = (
    Column("Code", of("code")),
    Column("Class", of("kind")),
    Column("Told", lambda row: "yes" if row.disclosed else "as a plain decline"),
    Column("Since", lambda row: "" if row.since == declines.ALWAYS else f"{row.since:%Y-%m-%d}"),
    Column("Source", of("source")),
)


@app.command()
def create(
    code: Code,
    policy: Annotated[Path, typer.Argument(metavar="FILE.json", help="What differs from the default; - is stdin.")],
    as_json: Json = False,
) -> None:
    """A new policy, or the next version of one; new cases go by it. See docs/dunning.md for the fields."""
    wanted = read_policy(policy)
    _show(run(lambda engine: _made(engine, code, wanted)), as_json=as_json)


@app.command("list")
def list_policies(
    code: Annotated[str | None, typer.Option(help="Only versions of this policy.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Every version, newest first."""
    found = run(
        lambda engine: pages.page(engine, DunningPolicyVersion, after=after, limit=limit, filters={"code": code})
    )
    output.show_list("Dunning policies", _POLICIES, found.items, as_json=as_json, next_page=found.next)


@app.command()
def show(code: Code, version: Version = None, as_json: Json = False) -> None:
    """One version, and whose it is."""
    _show(run(lambda engine: _found(engine, code, version)), as_json=as_json)


@app.command()
def assign(code: Code, group: Group, as_json: Json = False) -> None:
    """New cases of a group's customers go by this policy, whatever their plans say."""

    async def work(engine: Engine) -> dict[str, Any]:
        await dunning.assign(engine, group, code)
        return await _found(engine, code)

    _show(run(work), as_json=as_json)


@app.command()
def unassign(code: Code, group: Group, as_json: Json = False) -> None:
    """New cases of a group's customers go by their plans again."""

    async def work(engine: Engine) -> dict[str, Any]:
        await dunning.unassign(engine, group, code)
        return await _found(engine, code)

    _show(run(work), as_json=as_json)


@app.command()
def apply(
    code: Code,
    version: Version = None,
    running: Annotated[bool, typer.Option("--running", help="To every case that runs on this policy.")] = False,
    group: Annotated[
        str | None, typer.Option(help="To every case that runs of this group's customers, whatever it goes by.")
    ] = None,
    subscription: Annotated[str | None, typer.Option(help="To the case of this subscription.", metavar="ID")] = None,
    as_json: Json = False,
) -> None:
    """Put cases that run on a version of a policy. May be done again: who goes by it already is left alone.

    Exit code 1 if a subscription has not answered or has refused.
    """
    if [running, group is not None, subscription is not None].count(True) != 1:
        unusable("say to which cases: --running, --group or --subscription")
    if subscription is not None:
        _apply_to_one(code, version, subscription, as_json=as_json)
        return
    done = run(lambda engine: _apply_to_all(engine, code, version, group))
    if as_json:
        output.print_json(done)
    else:
        rows = [(each, "applied", "") for each in done.applied]
        rows += [(each.subscription_id, "refused", each.message) for each in done.refused]
        rows += [(each, "waiting", "no answer yet: apply it again") for each in done.waiting]
        output.show_table(f"{done.policy} to cases that run", _CASES, rows)
    if done.refused or done.waiting:
        raise typer.Exit(FOUND_WRONG)


@app.command("declines")
def list_declines(as_json: Json = False) -> None:
    """What each decline code means, since when, and who says so."""
    output.show_list("Declines", _DECLINES, declines.DECLINES, as_json=as_json, next_page=None)


def set_dunning(
    subscription: Subject,
    policy: Annotated[
        Path | None, typer.Argument(metavar="FILE.json", help="The policy; without it the plan's counts again.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="A policy by its code, instead of a file.")] = None,
    version: Version = None,
    case_only: Annotated[bool, typer.Option("--case-only", help="For the case that runs, and no later one.")] = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Another dunning policy, also for a case that runs."""
    if policy and code:
        unusable("give either a file or --code")
    if version and not code:
        unusable("--version is that of a --code")
    if case_only and not (policy or code):
        unusable("--case-only needs a file or a --code")
    request = request_id or new_id("req")
    spelt_out = read_policy(policy) if policy else None

    def make(session: Session, _row: Subscription, at: datetime) -> c.Command:
        wanted = policy_of(dunning.require(session, code, version)) if code else spelt_out
        return c.SetDunning(request_id=request, at=at, actor=ACTOR, policy=wanted, case_only=case_only)

    send(subscription, "set_dunning", make, as_json=as_json)


def read_policy(file: Path) -> DunningPolicy:
    """Ends the command for what is no policy."""
    try:
        data = json.loads(typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text())
    except OSError as error:
        unusable(f"{file}: {error.strerror}")
    except ValueError as error:
        unusable(f"{file}: is no JSON: {error}")
    if not isinstance(data, dict):
        unusable(f"{file}: must hold one JSON object")
    if strange := sorted(data.keys() - set(FIELDS)):
        unusable(f"{strange[0]}: is no field of a dunning policy; known: {', '.join(FIELDS)}")
    try:
        return within(lambda: _POLICY.validate_python(asdict(DEFAULT_POLICY) | data))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        unusable(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")


async def _made(engine: Engine, code: str, policy: DunningPolicy) -> dict[str, Any]:
    made = await dunning.create_version(engine, code, policy)
    return await _found(engine, code, made.version)


async def _found(engine: Engine, code: str, version: int | None = None) -> dict[str, Any]:
    def load(session: Session) -> dict[str, Any]:
        row = dunning.require(session, code, version)
        policy = output.plain(policy_of(row))
        return {**policy, "groups": groups_of(session, [code]).get(code, []), "created_at": row.created_at}

    return await engine.read(load)


async def _apply_to_all(engine: Engine, code: str, version: int | None, group: str | None) -> Applied:
    """Page after page; in one answer."""
    done = await dunning.apply(engine, code, version, group=group)
    while done.next is not None:
        more = await dunning.apply(engine, code, version, group=group, after=done.next)
        done = Applied(
            done.policy,
            done.applied + more.applied,
            done.refused + more.refused,
            done.waiting + more.waiting,
            more.next,
        )
    return done


def _apply_to_one(code: str, version: int | None, subscription: str, *, as_json: bool) -> None:
    def make(session: Session, _row: Subscription, at: datetime) -> c.Command:
        policy = policy_of(dunning.require(session, code, version))
        return c.SetDunning(request_id=new_id("req"), at=at, actor=ACTOR, policy=policy, case_only=True)

    send(subscription, "set_dunning", make, as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    days = ", ".join(map(str, found["retry_offsets_days"]))
    told = [
        f"{each['message']} from step {each['from_step']}: {', '.join(each['channels']) or 'not told'}"
        for each in found["notices"]
    ]
    output.show_record(
        {
            "Policy": f"{found['code']}, version {found['version']}",
            "Retries": f"after {days} days" if days else "none",
            "Hour": "of the first failure" if found["retry_hour"] is None else f"{found['retry_hour']}:00 local time",
            "Paydays": "preferred for want of money" if found["prefer_paydays"] else "not looked at",
            "Grace": "until the case closes" if found["grace_days"] is None else f"{found['grace_days']} days",
            "Finally": found["final_action"],
            "Hard decline": found["on_hard_decline"],
            "Told": "; ".join(told) or "by mail",
            "Groups": ", ".join(found["groups"]) or "none",
        }
    )


def _grace(policy: DunningPolicy) -> str:
    return "all along" if policy.grace_days is None else f"{policy.grace_days} days"
