"""The single-writer lock of a project folder.

An operating-system lock on ``writer.lock``: it vanishes with its process, so a lock left by a
killed process never blocks. The file's text (the pid) serves the error message only.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from chimera.errors import ProjectLockedError, StorageError

__all__ = ["LOCK_NAME", "WriterLock"]

LOCK_NAME: Final = "writer.lock"


def _try_lock(descriptor: int) -> bool:
    """Take the exclusive lock without waiting."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # The locked byte lies past the text, which others must be able to read.
            os.lseek(descriptor, 1 << 16, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


class WriterLock:
    """Exclusive right to write to a project folder, held until `release`.

    Args:
        folder: An existing project folder.

    Raises:
        ProjectLockedError: If another process holds it.
        StorageError: If the lock file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._descriptor: int | None = None
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"expected a writable project folder, got {error.strerror} for {self.path}; "
                "fix the permissions or choose another folder with --project"
            ) from error
        try:
            if not _try_lock(descriptor):
                raise self._refusal(descriptor)  # noqa: TRY301
            os.lseek(descriptor, 0, os.SEEK_SET)
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _refusal(self, descriptor: int) -> ProjectLockedError:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 64).decode(errors="replace").strip()
        pid = int(text) if text.isdigit() else None
        holder = "another process" if pid is None else f"process {pid}"
        return ProjectLockedError(
            f"expected to be the only run on this project folder, but {holder} is writing to it; "
            f"wait for it, stop it, or use another folder with --project (locked: {self.path})",
            pid,
        )

    def release(self) -> None:
        """Give the lock back; releasing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Return the held lock."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release."""
        self.release()
