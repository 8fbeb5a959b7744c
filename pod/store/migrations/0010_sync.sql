-- What the cloud gave and has: its entries by the ids that it names them by, its list, its address, its audit.

-- As text, for the copy of the list beside the database is JSON, and has to bring back all of this at once.
ALTER TABLE entry ADD COLUMN cloud_id TEXT;
-- SHA-256 of the entry as the cloud sent it, hex.
ALTER TABLE entry ADD COLUMN cloud_hash TEXT;
-- Uses left before the first was taken here; what is missing of it was taken.
ALTER TABLE entry ADD COLUMN cloud_uses INTEGER;

CREATE INDEX entry_by_cloud ON entry (cloud_id) WHERE cloud_id IS NOT NULL;

-- The cloud's list that is in force.
ALTER TABLE list_state ADD COLUMN cloud_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE list_state ADD COLUMN cloud_digest TEXT NOT NULL
    DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
-- A copy of the list as it was before this step is of another version, or it would seem to contradict this one.
UPDATE list_state SET version = version + 1;

-- Entries of that list that lie in no entry, because this program cannot put them in force.
CREATE TABLE cloud_refused (
    id     TEXT PRIMARY KEY,
    hash   TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the cloud is found, once it said that it moves.
CREATE TABLE cloud_home (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    homes TEXT    NOT NULL CHECK (json_valid(homes))
) STRICT;

-- Through which row the cloud signed to have the audit, and since when, once a day.
CREATE TABLE cloud_confirmed (
    day    INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL,
    ts_us  INTEGER NOT NULL
) STRICT;
