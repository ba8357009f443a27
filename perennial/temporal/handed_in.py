"""What a worker hands in to its workflows that neither their input nor their code may hold."""

from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

from perennial.contracts.workflows import DASHBOARD_URL


class LinksToDashboard(Interceptor):
    """Where the dashboard is, for what runs show of themselves.

    Workflow code may not read settings, and an address in its input would stand in histories for years. This says the
    same as long as the process lives, and no command depends on it; in a replay without it runs show no links.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Adds to what workflow code may ask of its host, and intercepts nothing."""
        url = self._url
        input.unsafe_extern_functions[DASHBOARD_URL] = lambda: url
        return None
