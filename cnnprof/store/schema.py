"""What the database looks like, and how one of an older version becomes one of this version.

Every text in it is JSON of a record of ``model/run.py`` with its CRC-32 beside it, so that ``verify`` notices a single
digit that changed. Samples are rows of their own: they are only ever appended.
"""

from __future__ import annotations

APPLICATION_ID = 0x636E6E70
"""``cnnp``: what tells a store from any other database."""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (
        # head: the Run without its parts; writer: who measures it; touched: when that process last wrote, Unix time.
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            head TEXT NOT NULL,
            crc INTEGER NOT NULL,
            writer TEXT,
            touched INTEGER NOT NULL
        ) STRICT""",
        # head: the Part without samples, graph and analysis; those two are ten times as long and have their own column.
        """CREATE TABLE parts (
            key INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            number INTEGER NOT NULL,
            head TEXT NOT NULL,
            crc INTEGER NOT NULL,
            network TEXT NOT NULL,
            network_crc INTEGER NOT NULL,
            UNIQUE (run, number)
        ) STRICT""",
        """CREATE TABLE records (
            key INTEGER PRIMARY KEY,
            part INTEGER NOT NULL REFERENCES parts ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('forward', 'warm-up', 'temperature', 'memory')),
            data TEXT NOT NULL,
            crc INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX records_of_part ON records (part, kind)",
        f"PRAGMA application_id = {APPLICATION_ID}",
    ),
    (
        # More kinds of records: SQLite changes no check of a table that is there.
        """CREATE TABLE records_2 (
            key INTEGER PRIMARY KEY,
            part INTEGER NOT NULL REFERENCES parts ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN (
                'forward', 'warm-up', 'temperature', 'memory', 'copy', 'load', 'overlap', 'telemetry'
            )),
            data TEXT NOT NULL,
            crc INTEGER NOT NULL
        ) STRICT""",
        "INSERT INTO records_2 SELECT key, part, kind, data, crc FROM records",
        "DROP TABLE records",
        "ALTER TABLE records_2 RENAME TO records",
        "CREATE INDEX records_of_part ON records (part, kind)",
    ),
)
"""Element n makes version n + 1 of version n; version 0 is an empty file."""

VERSION = len(UPGRADES)
