-- What PODs report: their audits by month, how far each is held, what is wrong with them, and their pictures.

CREATE TABLE platebridge.store_setting (
    single      boolean PRIMARY KEY CHECK (single),
    -- Whole months that the audit is kept beside the one that runs.
    keep_months integer NOT NULL CHECK (keep_months BETWEEN 1 AND 120)
);

INSERT INTO platebridge.store_setting (single, keep_months) VALUES (true, 12);

-- `line` rises where a POD's audit goes on differently than it was known. No key can hold (pod, line, seq) alone, for
-- the months are apart: that a row comes once is kept by `pod_cursor`.
CREATE TABLE platebridge.audit (
    community   text        NOT NULL,
    pod         text        NOT NULL,
    line        integer     NOT NULL,
    seq         bigint      NOT NULL CHECK (seq > 0),
    -- When, where the POD's clock can be believed; else when the row came.
    at          timestamptz NOT NULL,
    -- As the POD's clock said: microseconds since 1970; the chain is made of it.
    ts_us       bigint      NOT NULL,
    kind        text        NOT NULL CHECK (char_length(kind) <= 64),
    -- Why the row came without its payload.
    absent      text        NOT NULL DEFAULT '' CHECK (absent IN ('', 'erased', 'too_large', 'damaged')),
    salt        bytea,
    payload     bytea,
    digest      bytea       NOT NULL CHECK (octet_length(digest) = 32),
    link        bytea       NOT NULL CHECK (octet_length(link) = 32),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (pod, line, seq, at),
    CHECK ((absent = '') = (payload IS NOT NULL) AND (payload IS NULL) = (salt IS NULL))
) PARTITION BY RANGE (at);

CREATE INDEX audit_by_time ON platebridge.audit USING brin (at);
CREATE INDEX audit_of_community ON platebridge.audit (community, at DESC);

-- For rows that no month was made for: an alarm wherever it holds any.
CREATE TABLE platebridge.audit_unplaced PARTITION OF platebridge.audit DEFAULT;

ALTER TABLE platebridge.audit_unplaced ENABLE ROW LEVEL SECURITY;

CREATE TABLE platebridge.pod_cursor (
    pod       text           PRIMARY KEY,
    community platebridge.id NOT NULL,
    line      integer        NOT NULL DEFAULT 1,
    -- All rows of the line up to this one are held.
    seq       bigint         NOT NULL DEFAULT 0,
    head      bytea          NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(head) = 32),
    moved_at  timestamptz,
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
) WITH (fillfactor = 50);

-- Counted rather than repeated: a POD that is broken, or hostile, fills no disk with them.
CREATE TABLE platebridge.incident (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- NULL where nobody knows the POD.
    community platebridge.id,
    pod       text        NOT NULL CHECK (char_length(pod) <= 64),
    kind      text        NOT NULL CHECK (kind IN ('fork', 'gap', 'poison')),
    line      integer     NOT NULL DEFAULT 0,
    reason    text        NOT NULL CHECK (char_length(reason) <= 500),
    -- The row it was first seen at; 0 where it is about none.
    seq       bigint      NOT NULL DEFAULT 0,
    -- The beginning of the first message that could not be used.
    sample    bytea       CHECK (octet_length(sample) <= 4096),
    times     bigint      NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text
);

CREATE UNIQUE INDEX incident_open ON platebridge.incident (pod, kind, line, reason) WHERE closed_at IS NULL;
CREATE INDEX incident_of_community ON platebridge.incident (community, last_at DESC);

CREATE TABLE platebridge.media (
    community  platebridge.id NOT NULL,
    pod        text           NOT NULL,
    name       text           NOT NULL CHECK (char_length(name) <= 200),
    approach   text           NOT NULL CHECK (char_length(approach) <= 64),
    media_type text           NOT NULL CHECK (media_type IN ('image/jpeg', 'video/mp4')),
    digest     bytea          NOT NULL CHECK (octet_length(digest) = 32),
    size_bytes bigint         NOT NULL CHECK (size_bytes >= 0),
    at         timestamptz    NOT NULL,
    PRIMARY KEY (pod, name),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

CREATE INDEX media_of_community ON platebridge.media (community, at DESC);
CREATE INDEX media_of_approach ON platebridge.media (pod, approach);
