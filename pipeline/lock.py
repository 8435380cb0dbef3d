"""Lock: one run at a time per run folder.

`flock` is freed by the kernel when its holder dies, also at SIGKILL, so a lock is never stale.
Readers never lock.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import LockedError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder.

    Raises:
        LockedError: another process holds it; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(_who(handle, folder)) from error
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": started}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(folder: Path) -> dict[str, Any] | None:
    """Return who holds the run folder, or None; asks the kernel, because readers never lock."""
    path, table = folder / "lock", Path("/proc/locks")
    if not path.exists() or not table.exists():
        return None
    place = f":{path.stat().st_ino} "
    if not any("FLOCK" in line and place in line for line in table.read_text().splitlines()):
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError:
        return {}
    return found


def _who(handle: int, folder: Path) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        name = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError):
        name = "a process that has just started"
    return f"{folder} is in use by {name}; wait for it or stop it, then run again"
