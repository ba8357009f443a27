"""A workflow that breaks a rule, for the test that sees it caught."""

from temporalio import workflow


@workflow.defn
class Careless:
    """Ends while an update still waits: what the interpreter must never do."""

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._over)

    @workflow.update
    async def wait(self) -> None:
        self._over = True
        await workflow.wait_condition(lambda: False)
