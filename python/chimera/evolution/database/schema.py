"""Tables and views of the genome database, written once for SQLite and PostgreSQL.

``individuals.objective`` is null exactly in failed rows. Bulk tables carry no foreign keys, which
would cost more than the inserts; `GenomeDatabase` writes each generation in one transaction.
"""

from __future__ import annotations

from typing import Final

__all__ = ["APPLICATION_ID", "BULK_TABLES", "SCHEMA_VERSION", "TABLES", "statements"]

APPLICATION_ID: Final = 0x43484745
SCHEMA_VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE runs (
    id          {key},
    algorithm   TEXT     NOT NULL,
    settings    TEXT     NOT NULL,
    seed        TEXT     NOT NULL,
    space       TEXT     NOT NULL,
    direction   TEXT     NOT NULL,
    created     {real}   NOT NULL,
    version     TEXT     NOT NULL,
    finished    {real},
    stop_reason TEXT
){strict};

CREATE TABLE operators (
    run      {integer} NOT NULL,
    operator {integer} NOT NULL,
    name     TEXT      NOT NULL,
    PRIMARY KEY (run, operator)
){clustered};

CREATE TABLE generations (
    run           {integer} NOT NULL,
    generation    {integer} NOT NULL,
    n_rows        {integer} NOT NULL,
    n_failed      {integer} NOT NULL,
    n_evaluations {integer} NOT NULL,
    best          {real},
    mean          {real},
    figures       TEXT      NOT NULL,
    seconds       {real}    NOT NULL,
    PRIMARY KEY (run, generation)
){clustered};

CREATE TABLE individuals (
    run         {integer} NOT NULL,
    id          {integer} NOT NULL,
    generation  {integer} NOT NULL,
    operator    {small},
    failed      {boolean} NOT NULL,
    objective   {real},
    violation   {real}    NOT NULL,
    genome      {blob},
    program     TEXT,
    objectives  {reals},
    descriptors {reals},
    PRIMARY KEY (run, id)
){strict};

CREATE TABLE parents (
    run    {integer} NOT NULL,
    child  {integer} NOT NULL,
    parent {integer} NOT NULL,
    PRIMARY KEY (run, child, parent)
){clustered};
CREATE INDEX parents_of ON parents (run, parent, child);
"""

# Success follows the feasibility rule against the best parent; gains compare feasible rows only.
_VIEWS: Final = """
CREATE VIEW progress AS
    SELECT g.run, g.generation, g.n_evaluations, g.best, g.mean, g.n_failed, g.seconds,
           CASE r.direction WHEN 'maximize'
               THEN MAX(g.best) OVER so_far ELSE MIN(g.best) OVER so_far END AS best_so_far
    FROM generations g JOIN runs r ON r.id = g.run
    WINDOW so_far AS (PARTITION BY g.run ORDER BY g.generation);

CREATE VIEW offspring AS
    SELECT c.run, c.generation, c.operator, c.id,
           CASE WHEN c.failed THEN 0
                WHEN c.violation < MIN(p.violation) THEN 1
                WHEN c.violation > MIN(p.violation) THEN 0
                WHEN r.direction = 'maximize' AND c.objective > MAX(p.objective) THEN 1
                WHEN r.direction = 'minimize' AND c.objective < MIN(p.objective) THEN 1
                ELSE 0 END AS is_better,
           CASE WHEN c.violation > 0 OR MAX(p.violation) > 0 THEN NULL
                WHEN r.direction = 'maximize' THEN c.objective - AVG(p.objective)
                ELSE AVG(p.objective) - c.objective END AS gain
    FROM individuals c
    JOIN runs r ON r.id = c.run
    JOIN parents l ON l.run = c.run AND l.child = c.id
    JOIN individuals p ON p.run = l.run AND p.id = l.parent
    GROUP BY c.run, c.generation, c.operator, c.id, c.failed, c.violation, c.objective,
             r.direction;

CREATE VIEW operator_credit AS
    SELECT s.run, s.generation, o.name AS operator, COUNT(*) AS n_children,
           AVG(1.0 * s.is_better) AS success_rate, AVG(s.gain) AS mean_gain
    FROM offspring s JOIN operators o ON o.run = s.run AND o.operator = s.operator
    GROUP BY s.run, s.generation, o.name;
"""

TABLES: Final = ("runs", "operators", "generations", "individuals", "parents")
BULK_TABLES: Final = ("individuals", "parents", "generations", "operators")

_TYPES: Final = {
    "sqlite": {
        "key": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "integer": "INTEGER",
        "small": "INTEGER",
        "boolean": "INTEGER",
        "real": "REAL",
        "blob": "BLOB",
        "reals": "TEXT",
        "strict": " STRICT",
        "clustered": " STRICT, WITHOUT ROWID",
    },
    "postgres": {
        "key": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "integer": "BIGINT",
        "small": "SMALLINT",
        "boolean": "BOOLEAN",
        "real": "DOUBLE PRECISION",
        "blob": "BYTEA",
        "reals": "DOUBLE PRECISION[]",
        "strict": "",
        "clustered": "",
    },
}


def statements(dialect: str) -> list[str]:
    """Return the statements that create everything, for ``sqlite`` or ``postgres``."""
    text = (_TABLES + _VIEWS).format(**_TYPES[dialect])
    return [part.strip() for part in text.split(";") if part.strip()]
