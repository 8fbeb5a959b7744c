-- The index of the pictures kept on disk, and indexes that pass over what was erased.

-- AUTOINCREMENT: the number of a picture that is gone never names another.
CREATE TABLE media (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    approach TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    camera   TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('scene', 'plate')),
    ts_us    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    path     TEXT    NOT NULL UNIQUE,
    known    INTEGER NOT NULL CHECK (known IN (0, 1))
) STRICT;

CREATE INDEX media_of_approach ON media (approach, revision);

DROP INDEX audit_of_cars;

CREATE INDEX audit_of_cars ON audit (seq)
WHERE kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL;

-- What retention has still to look at, oldest first: rows that tell of people.
CREATE INDEX audit_of_people ON audit (ts_us)
WHERE kind IN ('command', 'decision', 'intent', 'list_change', 'login', 'outcome', 'site_state')
    AND payload IS NOT NULL;
