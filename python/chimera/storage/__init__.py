"""The embedded store: one SQLite file in the project folder, one writer at a time."""

from chimera.storage.database import DATABASE_NAME, Database
from chimera.storage.lock import WriterLock

__all__ = ["DATABASE_NAME", "Database", "WriterLock"]
