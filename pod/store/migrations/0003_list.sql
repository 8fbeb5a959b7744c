-- Entries with every bound a decision asks about, a list that changes in small steps, and the site's switches.

CREATE TABLE entry_bounded (
    -- Never given twice, so that what names an entry can never mean another one.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The list's version at the entry's last change.
    version    INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    plate      TEXT    NOT NULL,
    verdict    TEXT    NOT NULL CHECK (verdict IN ('allow', 'deny')),
    type       TEXT    NOT NULL CHECK (type IN ('resident', 'visitor', 'delivery', 'service',
                                                'contractor', 'emergency', 'staff')),
    label      TEXT    NOT NULL DEFAULT '',
    starts_us  INTEGER,
    expires_us INTEGER CHECK (expires_us IS NULL OR starts_us IS NULL OR starts_us < expires_us),
    gates      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(gates)),
    cameras    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(cameras)),
    sites      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(sites)),
    schedule   TEXT,
    uses_left  INTEGER CHECK (uses_left >= 0),
    exact_only INTEGER NOT NULL DEFAULT 0 CHECK (exact_only IN (0, 1)),
    owner      TEXT    NOT NULL DEFAULT 'pod' CHECK (owner IN ('pod', 'cloud')),
    -- The import that brings the entry in, and the one that takes it out, until both are tidied up.
    brought_by INTEGER,
    ended_by   INTEGER
) STRICT;

INSERT INTO entry_bounded (id, version, key, plate, verdict, type, label, starts_us, expires_us, gates)
SELECT e.id, s.version, e.key, e.plate, e.verdict, e.type, e.label, e.starts_us, e.expires_us, e.gates
FROM entry AS e, list_state AS s;

DROP TABLE entry;

ALTER TABLE entry_bounded RENAME TO entry;

CREATE INDEX entry_by_key ON entry (key);
CREATE INDEX entry_by_version ON entry (version);
CREATE INDEX entry_by_brought ON entry (brought_by) WHERE brought_by IS NOT NULL;
CREATE INDEX entry_by_ended ON entry (ended_by) WHERE ended_by IS NOT NULL;

-- Entries that are no more, so that each process can follow without reading the whole list again.
CREATE TABLE entry_gone (
    id      INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

CREATE INDEX entry_gone_by_version ON entry_gone (version);

-- An import is written in many short transactions and counts from the one that sets its version.
CREATE TABLE list_import (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    touched_us   INTEGER NOT NULL,
    done_version INTEGER
) STRICT;

CREATE VIEW entry_in_force AS
SELECT * FROM entry AS e
WHERE (brought_by IS NULL
       OR EXISTS (SELECT 1 FROM list_import WHERE id = e.brought_by AND done_version IS NOT NULL))
  AND (ended_by IS NULL
       OR NOT EXISTS (SELECT 1 FROM list_import WHERE id = e.ended_by AND done_version IS NOT NULL));

ALTER TABLE list_state ADD COLUMN lockdown INTEGER NOT NULL DEFAULT 0 CHECK (lockdown IN (0, 1));
ALTER TABLE list_state ADD COLUMN auto_grant INTEGER NOT NULL DEFAULT 1 CHECK (auto_grant IN (0, 1));
-- When the owner of the cloud's entries last confirmed them.
ALTER TABLE list_state ADD COLUMN confirmed_us INTEGER;
-- The oldest version from which `entry_gone` tells of every removal.
ALTER TABLE list_state ADD COLUMN gone_since INTEGER NOT NULL DEFAULT 0;

CREATE INDEX audit_of_list ON audit (seq) WHERE kind = 'list_change';
