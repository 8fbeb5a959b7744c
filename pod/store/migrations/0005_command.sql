-- Opens asked for by people, each at most once, and what became of them; when the clock was in doubt.

CREATE TABLE command (
    id       TEXT    PRIMARY KEY,
    gate     TEXT    NOT NULL,
    by       TEXT    NOT NULL,
    asked_us INTEGER NOT NULL,
    result   TEXT,
    reason   TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX command_by_time ON command (asked_us);

CREATE INDEX audit_of_clock ON audit (seq) WHERE kind = 'clock';
