"""The genome database: every run, generation, individual and parent, queryable in SQL.

SQLite by a path, PostgreSQL by a URL; the same tables, queries and recorder for both. It stores
what searches did and never changes what they do.
"""

from chimera.evolution.database.queries import OperatorCredit, RunRecord
from chimera.evolution.database.recorder import Recorder
from chimera.evolution.database.store import GenomeDatabase

__all__ = ["GenomeDatabase", "OperatorCredit", "Recorder", "RunRecord"]
