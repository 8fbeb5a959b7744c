-- The access list, the audit with its chain, and the last grant per plate and camera.

CREATE TABLE entry (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL,
    plate      TEXT    NOT NULL,
    verdict    TEXT    NOT NULL CHECK (verdict IN ('allow', 'deny')),
    type       TEXT    NOT NULL CHECK (type IN ('resident', 'visitor', 'delivery', 'service',
                                                'contractor', 'emergency', 'staff')),
    label      TEXT    NOT NULL DEFAULT '',
    starts_us  INTEGER,
    expires_us INTEGER CHECK (expires_us IS NULL OR starts_us IS NULL OR starts_us < expires_us),
    gates      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(gates))
) STRICT;

CREATE INDEX entry_by_key ON entry (key);

-- Every change of the list raises the version, so that each process sees the changes of the others.
CREATE TABLE list_state (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO list_state (only, version) VALUES (1, 0);

CREATE TABLE audit (
    seq            INTEGER PRIMARY KEY,
    ts_us          INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    salt           BLOB,
    payload        TEXT,
    payload_digest BLOB    NOT NULL CHECK (length(payload_digest) = 32),
    link           BLOB    NOT NULL CHECK (length(link) = 32),
    CHECK ((salt IS NULL) = (payload IS NULL))
) STRICT;

-- The newest link, apart from the rows, so that rows cut off the end are missed.
CREATE TABLE audit_head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq  INTEGER NOT NULL,
    link BLOB    NOT NULL CHECK (length(link) = 32)
) STRICT;

INSERT INTO audit_head (only, seq, link) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

-- An erasure takes payload and salt, never the link.
CREATE TRIGGER audit_keeps_content BEFORE UPDATE ON audit
WHEN NEW.seq IS NOT OLD.seq OR NEW.ts_us IS NOT OLD.ts_us OR NEW.kind IS NOT OLD.kind
    OR NEW.payload_digest IS NOT OLD.payload_digest OR NEW.link IS NOT OLD.link
    OR NEW.payload IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

CREATE TABLE last_grant (
    camera TEXT    NOT NULL,
    key    TEXT    NOT NULL,
    ts_us  INTEGER NOT NULL,
    PRIMARY KEY (camera, key)
) STRICT, WITHOUT ROWID;
