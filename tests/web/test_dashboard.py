"""The dashboard without a browser: what is shown, what each button does, and what is refused."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.log_lines import logged
from tests.support.stage import Stage, eventually
from tests.web.deskwork import ANNA, HOME, Desk, cookie_of
from tests.web.test_paying import owing

WHY = "ticket 4711: the bank was down"


async def _actions(stage: Stage, subject: str) -> list[Any]:
    return await stage.rows(
        "SELECT actor, action, reason, outcome FROM support_actions WHERE subject = :id", id=subject
    )


async def test_a_stuck_subscription_is_found_and_retried(desk: Desk, stage: Stage) -> None:
    """Its workflow was terminated. The start page has it, its own page says what helps, the button does that."""
    _, sub, invoice = await owing(stage)
    await stage.handle(sub).terminate("in a test")
    await desk.open()
    assert f"{HOME}/subscriptions/{sub}" in desk.page.links
    assert "no workflow runs for it" in desk.said()
    await desk.open(f"/subscriptions/{sub}")
    assert "Past due: a payment has failed" in desk.said()
    assert "Suggested: retry" in desk.said()
    assert f"{HOME}/invoices/{invoice}" in desk.page.links
    assert f"http://temporal.test/namespaces/default/workflows/{sub}" in desk.page.links
    await desk.send(f"/subscriptions/{sub}/retry", reason=WHY)
    assert desk.page.status == 200
    assert "Retry: its workflow was missing and is started again" in desk.said()
    assert "Suggested" not in desk.said()
    [action] = await _actions(stage, sub)
    assert action[:3] == ("anna", "retry", WHY)
    await desk.open("/actions")
    assert WHY in desk.page.text
    await stage.once_each(sub)


async def test_a_reset_is_shown_before_it_is_done_and_charges_nothing(desk: Desk, stage: Stage) -> None:
    clock, sub, _ = await owing(stage)
    charged = await stage.captures(sub)
    await desk.open(f"/subscriptions/{sub}/reset")
    assert "1 start 2026-04-01" in desk.said()
    await desk.open(f"/subscriptions/{sub}/reset?to=1")
    assert "No charge repeats." in desk.said()
    assert "nothing is charged again" in desk.said()
    await stage.advance(clock, "2026-05-03 10:00")
    page = await desk.send(f"/subscriptions/{sub}/reset", reason=WHY)
    assert page.status == 409
    assert "Something has happened since you looked" in desk.said()
    assert await _actions(stage, sub) == []
    await desk.open(f"/subscriptions/{sub}/reset?to=1")
    await desk.send(f"/subscriptions/{sub}/reset", reason=WHY)
    assert "Reset: to 1 start 2026-04-01" in desk.said()
    assert await stage.captures(sub) == charged
    assert (await stage.view(sub)).status == "past_due"
    assert [action[1] for action in await _actions(stage, sub)] == ["reset"]


async def test_a_reset_that_is_sent_twice_is_one(desk: Desk, stage: Stage) -> None:
    """Both at once, each on what was shown: the form bears the name of the request."""
    _, sub, _ = await owing(stage)
    place = f"/subscriptions/{sub}/reset"
    await desk.open(f"{place}?to=1")
    form = desk.page.fields | {"reason": WHY}
    answers = await asyncio.gather(*(desk.browser.post(f"{HOME}{place}", data=form) for _ in range(2)))
    statuses = [answer.status_code for answer in answers]
    assert 303 in statuses
    assert set(statuses) <= {303, 409}, "whoever looks after the first one is told that something has happened"

    async def again() -> set[str | None]:
        runs = stage.engine.temporal.list_workflows(f"WorkflowId = '{sub}'")
        found = {run.run_id async for run in runs}
        return found if len(found) > 1 else set()

    assert len(await eventually(again)) == 2
    await stage.once_each(sub)


async def test_parked_and_unparked_and_refused_in_words(desk: Desk, stage: Stage) -> None:
    _, sub, _ = await owing(stage)
    place = f"/subscriptions/{sub}"
    await desk.open(place)
    await desk.send(f"{place}/park", reason=WHY)
    assert "It is put aside" in desk.said()
    assert "Suggested: unpark" in desk.said()
    page = await desk.send(f"{place}/park", reason=WHY)
    assert page.status == 409
    assert "Instead: It is parked: unpark it first." in desk.said()
    await desk.open(place)
    await desk.send(f"{place}/unpark", reason=WHY)
    assert "Suggested" not in desk.said()
    page = await desk.send(f"{place}/unpark", reason=WHY)
    assert page.status == 409
    assert "it needs no unparking" in desk.said()
    outcomes = [action[3] for action in await _actions(stage, sub)]
    assert [outcome.split(":")[0] for outcome in outcomes] == [
        "past_due, parked",
        "refused",
        "past_due, not parked",
        "refused",
    ]


async def test_a_vanished_row_is_rebuilt(desk: Desk, stage: Stage) -> None:
    _, sub, _ = await owing(stage)

    def forget(session: Any) -> None:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM subscriptions WHERE id = :id"), {"id": sub})

    await stage.engine.write(forget)
    await desk.open()
    await desk.send("/search", wanted=sub)
    assert "its row is missing" in desk.said().lower()
    assert "Suggested: rebuild" in desk.said()
    await desk.send(f"/subscriptions/{sub}/rebuild", reason=WHY)
    assert "Rebuild: the row was written" in desk.said()
    assert "Past due" in desk.said()


async def test_looks_change_nothing(desk: Desk, stage: Stage) -> None:
    sub = await stage.subscribe(await stage.clock("2026-04-01 09:00"))
    [[invoice]] = await stage.rows("SELECT id FROM invoices WHERE subscription_id = :id", id=sub)
    await desk.open(f"/subscriptions/{sub}/replay")
    assert "Today's code decides the same" in desk.said()
    await desk.open(f"/subscriptions/{sub}/what-if?change=change_plan&plan=premium-monthly&when=period_end")
    assert "12 invoices to come" in desk.said()
    for asked, words in (
        ("change=resume", "not paused"),
        ("change=change_plan&plan=nothing", "nothing"),
        ("change=change_quantity&quantity=many", "The quantity is a whole number."),
        ("change=change_quantity", "Not acceptable: quantity."),
        ("change=explode", "Choose what is changed."),
    ):
        page = await desk.open(f"/subscriptions/{sub}/what-if?{asked}")
        assert page.status == 200
        assert words in desk.said(), asked
        assert 'role="alert"' in page.text
    page = await desk.open(f"/invoices/{invoice}")
    assert page.status == 200
    assert "default-src 'none'" in page.answer.headers["content-security-policy"]
    assert await _actions(stage, sub) == []


async def test_search_finds_by_every_id_and_keeps_what_was_looked_for_to_itself(desk: Desk, stage: Stage) -> None:
    _, sub, invoice = await owing(stage)
    [[number]] = await stage.rows("SELECT number FROM invoices WHERE id = :id", id=invoice)
    for wanted, place in (
        (sub, f"/subscriptions/{sub}"),
        (f" {invoice} ", f"/subscriptions/{sub}"),
        (number, f"/subscriptions/{sub}"),
        (stage.owners[sub], f"/customers/{stage.owners[sub]}"),
    ):
        await desk.open()
        await desk.send("/search", wanted=wanted)
        assert str(desk.page.answer.url) == HOME + place
    assert f"{HOME}/subscriptions/{sub}" in desk.page.links
    assert "Ada" not in desk.page.text
    with logged() as lines:
        for wanted in ("sub_none", "cus_none", "ada@example.com", "<script>", "gift_none"):
            await desk.open()
            page = await desk.send("/search", wanted=wanted)
            assert page.status == 404
            assert "Look for it by its id" in desk.said()
            assert "<script" not in page.text
    assert "ada@example.com" not in str(lines())
    assert ANNA not in str(lines())


async def test_a_form_of_another_site_or_session_does_nothing(desk: Desk, stage: Stage) -> None:
    _, sub, _ = await owing(stage)
    place = f"/subscriptions/{sub}"
    await desk.open(place)
    of_another = desk.page.fields["token"]
    await desk.sign_in()
    await desk.open(place)
    token = desk.page.fields["token"]
    assert token not in cookie_of(desk.browser), "what stands in pages forges no cookie"
    for fields, headers in (
        ({}, {}),
        ({"token": "x"}, {}),
        ({"token": of_another}, {}),
        ({"token": token[:-1]}, {}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({"token": token}, {"Sec-Fetch-Site": "same-site"}),
    ):
        answer = await desk.browser.post(f"{HOME}{place}/park", data=fields | {"reason": WHY}, headers=headers)
        assert answer.status_code == 403
        assert "Nothing was done" in answer.text
    for reason, words in (
        ("", "Say why"),
        ("  ", "Say why"),
        ("x" * 501, "longer than 500"),
        ("4242 4242 4242 4242", "card"),
    ):
        page = await desk.send(f"{place}/park", reason=reason, token=token)
        assert page.status == 422
        assert words in desk.said()
    desk.browser.cookies.clear()
    answer = await desk.browser.post(f"{HOME}{place}/park", data={"token": token, "reason": WHY})
    assert answer.headers["location"] == "/dashboard/sign-in"
    assert await _actions(stage, sub) == []
    assert (await stage.view(sub)).parked_since is None


@pytest.mark.parametrize(
    "path", ["/subscriptions/sub_none", "/subscriptions/sub_none/reset", "/others/gift_none", "/invoices/inv_none"]
)
async def test_what_there_is_not(desk: Desk, path: str) -> None:
    page = await desk.open(path)
    assert page.status == 404
    assert "There is no such thing" in desk.said()
