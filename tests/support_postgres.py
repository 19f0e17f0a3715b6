"""A real PostgreSQL server for tests, started from the binaries of this machine.

It listens on a unix socket in a folder of its own, and goes with the test session. ``initdb``
refuses root, so a root user becomes ``postgres`` (or ``nobody``) for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

START_S_MAX = 60.0
DATABASES_MAX = 3


def find_binaries() -> Path | None:
    """Return the folder of the newest ``initdb``, or None where PostgreSQL is not installed."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name)
    )
    found = shutil.which("initdb")
    candidates = [*folders[::-1], *([Path(found).parent] if found else [])]
    return next((folder for folder in candidates if (folder / "initdb").is_file()), None)


def _unprivileged() -> dict[str, object]:
    """Return the options of subprocess that give root's rights away."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("root can only start PostgreSQL as another user, and found none")


class PostgresServer:
    """One server with the database ``postgres``; several databases may be created in it."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._options = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: socket paths end at 107 bytes
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._n_databases = 0
        if self._options:
            os.chown(self.folder, int(str(self._options["user"])), int(str(self._options["group"])))
        self._run(
            "initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        self.start()

    def _run(self, name: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._binaries / name, *map(str, arguments)],
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            check=False,
            **self._options,  # type: ignore[call-overload]
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stdout}{done.stderr}")

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                [
                    self._binaries / "postgres",
                    *("-D", self._data, "-k", self.folder, "-c", "listen_addresses="),
                    *("-c", "fsync=off", "-c", "max_connections=20"),
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._options,
            )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._launch()
        deadline = time.monotonic() + START_S_MAX
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self.folder), "-U", "tests"]
        while subprocess.run(ready, check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace"))
            time.sleep(0.05)
            if self._process is None or self._process.poll() is not None:
                self._launch()  # what a killed server left in memory may outlive it for a moment

    def kill(self) -> None:
        """Kill the server at once, with everything that serves a connection."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        for pid in (self._process.pid, *pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop the server, which nobody needs any more, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://tests@/{database}?host={quote(str(self.folder), safe='')}"

    def new_database(self) -> str:
        """Create an empty database and return its URL; only the last few are kept.

        Each has a thousand files, whose removal would take the end of the session its time.
        """
        import psycopg

        self._n_databases += 1
        name = f"test_{self._n_databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
            old = f"test_{max(self._n_databases - DATABASES_MAX, 0)}"
            connection.execute(f"DROP DATABASE IF EXISTS {old} WITH (FORCE)".encode())
        return self.url(name)
