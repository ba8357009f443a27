"""Moving everybody to another version leaves alone who has a wish of their own."""

from dataclasses import replace
from typing import Any

import pytest

from perennial.domain.errors import CancellationPending, ChangePending, MovedMeanwhile, PerennialError
from perennial.domain.subscription import commands as c
from tests.unit.subscription.life import YEAR, Life, plan

NEW = replace(plan(amount="12.00"), version=2)
MOVE = c.ChangePlan(terms=NEW, when=c.When.PERIOD_END, only_from=(1,))


def test_who_has_nothing_ahead_is_moved() -> None:
    life = Life().send(MOVE)
    assert life.state.scheduled_change is not None
    assert life.state.scheduled_change.terms.version == 2


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        (c.ChangePlan(terms=plan("yearly", "90.00", YEAR), when=c.When.PERIOD_END), ChangePending),
        (c.ChangeQuantity(quantity=2, when=c.When.PERIOD_END), ChangePending),
        (c.ChangePlan(terms=plan("plus", "20.00")), MovedMeanwhile),
        (c.ChangePlan(terms=NEW), MovedMeanwhile),
        (c.Cancel(), CancellationPending),
    ],
)
@pytest.mark.parametrize("when", list(c.When))
def test_own_wishes_come_first(before: Any, refusal: type[PerennialError], when: c.When) -> None:
    life = Life().send(before)
    standing = life.state
    with pytest.raises(refusal):
        life.send(replace(MOVE, when=when))
    assert life.state == standing
