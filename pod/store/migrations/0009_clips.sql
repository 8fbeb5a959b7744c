-- Clips beside the pictures. The table is made anew: no check of a table can be changed.

-- `duration_ms` is NULL while the clip is recorded; `plate_at_ms` is when in it the plate was seen best.
CREATE TABLE media_and_clips (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    approach    TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    camera      TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('scene', 'plate', 'clip')),
    ts_us       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    path        TEXT    NOT NULL UNIQUE,
    known       INTEGER NOT NULL CHECK (known IN (0, 1)),
    codec       TEXT    CHECK (codec IN ('h264', 'hevc')),
    plate_at_ms INTEGER,
    duration_ms INTEGER,
    CHECK ((kind = 'clip') = (codec IS NOT NULL AND plate_at_ms IS NOT NULL)),
    CHECK (kind = 'clip' OR duration_ms IS NULL)
) STRICT;

INSERT INTO media_and_clips (id, approach, revision, camera, kind, ts_us, bytes, path, known)
SELECT id, approach, revision, camera, kind, ts_us, bytes, path, known FROM media;

-- The number of a picture that is gone still names no other.
DELETE FROM sqlite_sequence WHERE name = 'media_and_clips';

INSERT INTO sqlite_sequence (name, seq)
SELECT 'media_and_clips', seq FROM sqlite_sequence WHERE name = 'media';

DROP TABLE media;

ALTER TABLE media_and_clips RENAME TO media;

CREATE INDEX media_of_approach ON media (approach, revision);

-- Who gave a picture or a clip away is about people, too.
DROP INDEX audit_of_people;

CREATE INDEX audit_of_people ON audit (ts_us)
WHERE kind IN ('command', 'decision', 'intent', 'list_change', 'login', 'media_shared', 'outcome',
               'site_state', 'watch_ended', 'watch_started')
    AND payload IS NOT NULL;
