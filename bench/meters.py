"""What a stretch of time cost: CPU of processes (Linux), transactions of PostgreSQL."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_COMMITS = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU, user and system, since the processes started."""

    server: float
    worker: float
    postgres: float

    def since(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.server - earlier.server, self.worker - earlier.worker, self.postgres - earlier.postgres)


def cpu_of(pid: int | None) -> float:
    """Seconds of a process and all its living descendants, ended ones included; 0 where there is no /proc."""
    if pid is None:
        return 0.0
    stats = {int(path.name): stat for path in Path("/proc").glob("[0-9]*") if (stat := _stat(path))}
    family = {pid}
    while more := {child for child, stat in stats.items() if int(stat[1]) in family} - family:
        family |= more
    # user, system, and the same of children that have ended and been waited for
    return sum(int(ticks) for one in family if one in stats for ticks in stats[one][11:15]) / _TICKS_A_SECOND


def _stat(process: Path) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name (which may hold spaces)."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def commits(db: Engine) -> int:
    """Transactions committed in the database, as far as its sessions have reported: those that have ended all have."""
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return int(connection.scalar(_COMMITS) or 0)
