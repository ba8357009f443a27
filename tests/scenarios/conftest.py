import pytest

from perennial.engine.context import Engine
from tests.support.stage import Stage


@pytest.fixture
def stage(engine: Engine) -> Stage:
    return Stage(engine)
