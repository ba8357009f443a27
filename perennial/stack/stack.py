"""The embedded stack: PostgreSQL and Temporal as child processes that start, stop and die with us."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from perennial.config import PREFIX, Environment, Settings
from perennial.stack.folder import StackFolder
from perennial.stack.postgres import EmbeddedPostgres
from perennial.stack.temporal import DEFAULT_PORT, DEFAULT_UI_PORT, NAMESPACE, EmbeddedTemporal


class Stack:
    """PostgreSQL and Temporal for one process and its children.

    `postgres` and `temporal` are None where the caller brought his own address. Both have `kill()`, `stop()`,
    `start()` and `restart()`; their addresses stay the same across restarts.
    """

    def __init__(
        self,
        folder: StackFolder,
        *,
        database_url: str | None = None,
        temporal_address: str | None = None,
        temporal_file: bool = True,
        durable: bool | None = None,
        ui: bool = True,
        namespace: str = NAMESPACE,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.namespace = namespace
        self.postgres: EmbeddedPostgres | None = None
        self.temporal: EmbeddedTemporal | None = None
        self._database_url = database_url
        self._temporal_address = temporal_address
        self._temporal_file = temporal_file
        self._durable = not folder.throw_away if durable is None else durable
        self._ui = ui
        self._say = say

    @classmethod
    def persistent(cls, settings: Settings, say: Callable[[str], None] = lambda _: None) -> "Stack":
        """The stack of `perennial dev`: state survives in the data folder; parts that the settings name are used.

        `say` hears of ports that were taken.
        """
        return cls(
            StackFolder(settings.data_dir, throw_away=False),
            database_url=settings.database_url,
            temporal_address=settings.temporal_address,
            namespace=settings.temporal_namespace,
            say=say,
        )

    @classmethod
    def throw_away(cls, *, temporal_file: bool = False, durable: bool = False, ui: bool = False) -> "Stack":
        """A fresh stack in a temporary folder, removed at the end.

        `temporal_file=True` lets Temporal's state survive `temporal.restart()` and `kill()`, at 0.4 of the speed.
        `durable=True` lets what PostgreSQL has committed survive `postgres.kill()`.
        """
        return cls(StackFolder.temporary(), temporal_file=temporal_file, durable=durable, ui=ui)

    @property
    def database_url(self) -> str:
        if self._database_url is not None:
            return self._database_url
        assert self.postgres is not None, "the stack has not started"
        return self.postgres.url

    @property
    def temporal_address(self) -> str:
        if self._temporal_address is not None:
            return self._temporal_address
        assert self.temporal is not None, "the stack has not started"
        return self.temporal.address

    @property
    def ui_url(self) -> str | None:
        """Temporal's web UI, when this stack serves it."""
        return None if self.temporal is None else self.temporal.ui_url

    def start(self) -> None:
        """Raises StackError with a text for people: the folder is in use, or a part does not start."""
        self.folder.lock()
        try:
            if self._database_url is None:
                self.postgres = self._start_postgres()
            if self._temporal_address is None:
                self.temporal = self._start_temporal()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for part in (self.temporal, self.postgres):
            if part is not None:
                part.stop()
        self.folder.release()

    def settings(self, base: Settings | None = None) -> Settings:
        """Settings that lead to this stack; by default those of a test."""
        base = base or Settings(_env_file=None, environment=Environment.TEST)
        return base.model_copy(
            update={
                "database_url": self.database_url,
                "temporal_address": self.temporal_address,
                "temporal_namespace": self.namespace,
                "data_dir": self.folder.path,
            }
        )

    def environment(self) -> dict[str, str]:
        """The variables that lead a child process to this stack."""
        ui = {f"{PREFIX}TEMPORAL_UI_URL": self.ui_url} if self.ui_url else {}
        return ui | {
            f"{PREFIX}DATABASE_URL": self.database_url,
            f"{PREFIX}TEMPORAL_ADDRESS": self.temporal_address,
            f"{PREFIX}TEMPORAL_NAMESPACE": self.namespace,
            f"{PREFIX}DATA_DIR": str(self.folder.path),
        }

    def publish(self, **more: object) -> None:
        """Lets the command line of other terminals find this stack, through the data folder."""
        addresses = {"database_url": self.database_url, "temporal_address": self.temporal_address}
        ui = {"temporal_ui_url": self.ui_url} if self.ui_url else {}
        self.folder.publish(addresses | {"temporal_namespace": self.namespace} | ui | more)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_postgres(self) -> EmbeddedPostgres:
        folder = self.folder
        postgres = EmbeddedPostgres(folder.path / "postgres", folder.log_path("postgres"), durable=self._durable)
        self.postgres = postgres
        postgres.start()
        return postgres

    def _start_temporal(self) -> EmbeddedTemporal:
        folder = self.folder
        temporal = EmbeddedTemporal(
            folder.log_path("temporal"),
            db_file=self._db_file(),
            port=None if folder.throw_away else DEFAULT_PORT,
            ui_port=DEFAULT_UI_PORT if self._ui else None,
            namespace=self.namespace,
            say=self._say,
        )
        self.temporal = temporal
        temporal.start()
        return temporal

    def _db_file(self) -> Path | None:
        return self.folder.path / "temporal.db" if self._temporal_file else None
