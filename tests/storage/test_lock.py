import os
import subprocess
import sys
from pathlib import Path

import pytest

from chimera.errors import ProjectLockedError
from chimera.storage.lock import LOCK_NAME, WriterLock

HOLDER = """
import sys, time
from pathlib import Path
from chimera.storage.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def stop(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_second_lock_is_refused_with_the_pid(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    try:
        with pytest.raises(ProjectLockedError, match=f"process {holder.pid}") as caught:
            WriterLock(tmp_path)
        assert caught.value.pid == holder.pid
        assert "--project" in str(caught.value)
    finally:
        stop(holder)


def test_lock_of_a_killed_process_recovers(tmp_path: Path) -> None:
    stop(start_holder(tmp_path))
    with WriterLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_leftover_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("99999999\n")
    with WriterLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_lock_is_exclusive_within_a_process_and_reusable(tmp_path: Path) -> None:
    first = WriterLock(tmp_path)
    with pytest.raises(ProjectLockedError):
        WriterLock(tmp_path)
    first.release()
    first.release()
    WriterLock(tmp_path).release()
