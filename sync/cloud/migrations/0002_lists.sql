-- The access lists, what PODs have of them, and what PODs are asked to do.

CREATE TABLE platebridge.list_state (
    community platebridge.id PRIMARY KEY REFERENCES platebridge.community,
    version   bigint         NOT NULL,
    -- The transaction that raised the version last: one transaction is one version.
    raised_by xid8           NOT NULL
);

-- As the POD's own list has them; `key` is the plate's match key, an empty `gates`, `cameras` or `sites` means all.
CREATE TABLE platebridge.entry (
    community  platebridge.id NOT NULL REFERENCES platebridge.community,
    id         platebridge.id NOT NULL DEFAULT gen_random_uuid()::text,
    -- The list's version at the entry's last change; written by a trigger.
    version    bigint         NOT NULL DEFAULT 0,
    enabled    boolean        NOT NULL DEFAULT true,
    key        text           NOT NULL CHECK (char_length(key) BETWEEN 1 AND 32),
    plate      text           NOT NULL CHECK (char_length(plate) BETWEEN 1 AND 32),
    verdict    text           NOT NULL CHECK (verdict IN ('allow', 'deny')),
    type       text           NOT NULL CHECK (type IN ('resident', 'visitor', 'delivery', 'service',
                                                       'contractor', 'emergency', 'staff')),
    label      text           NOT NULL DEFAULT '' CHECK (char_length(label) <= 80),
    starts_at  timestamptz,
    expires_at timestamptz,
    gates      text[]         NOT NULL DEFAULT '{}',
    cameras    text[]         NOT NULL DEFAULT '{}',
    sites      text[]         NOT NULL DEFAULT '{}',
    schedule   text,
    uses_left  integer        CHECK (uses_left >= 0),
    exact_only boolean        NOT NULL DEFAULT false,
    owner      text           NOT NULL DEFAULT 'cloud' CHECK (owner IN ('pod', 'cloud')),
    -- The POD whose entry it is, where the owner is a POD.
    pod        text,
    PRIMARY KEY (community, id),
    CHECK ((owner = 'pod') = (pod IS NOT NULL)),
    CHECK (starts_at IS NULL OR expires_at IS NULL OR starts_at < expires_at),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

CREATE INDEX entry_in_force ON platebridge.entry (community, key) WHERE enabled;
CREATE INDEX entry_by_version ON platebridge.entry (community, version);

-- Tombstones: entries that are no more, so that PODs can follow without the whole list.
CREATE TABLE platebridge.entry_gone (
    community platebridge.id NOT NULL REFERENCES platebridge.community,
    id        platebridge.id NOT NULL,
    version   bigint         NOT NULL,
    gone_at   timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (community, id)
);

CREATE INDEX entry_gone_by_version ON platebridge.entry_gone (community, version);

-- The version of this transaction's change. The row stays locked until it commits, so versions become visible in
-- their order: whoever has seen version N has seen every change up to N.
CREATE FUNCTION platebridge.next_version(of_community text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    version_now bigint;
BEGIN
    INSERT INTO platebridge.list_state AS s (community, version, raised_by)
    VALUES (of_community, 1, pg_current_xact_id())
    ON CONFLICT (community) DO UPDATE SET version = s.version + 1, raised_by = excluded.raised_by
    WHERE s.raised_by <> excluded.raised_by
    RETURNING s.version INTO version_now;
    IF version_now IS NULL THEN
        SELECT s.version INTO STRICT version_now FROM platebridge.list_state AS s WHERE s.community = of_community;
    END IF;
    RETURN version_now;
END
$$;

CREATE FUNCTION platebridge.entry_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.community, NEW.id) IS DISTINCT FROM (OLD.community, OLD.id) THEN
        RAISE EXCEPTION 'an entry keeps its community and its id';
    END IF;
    NEW.version := platebridge.next_version(NEW.community);
    DELETE FROM platebridge.entry_gone WHERE community = NEW.community AND id = NEW.id;
    RETURN NEW;
END
$$;

CREATE FUNCTION platebridge.entry_goes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO platebridge.entry_gone (community, id, version)
    VALUES (OLD.community, OLD.id, platebridge.next_version(OLD.community));
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION platebridge.next_version(text) FROM PUBLIC;

CREATE TRIGGER entry_gets_a_version BEFORE INSERT OR UPDATE ON platebridge.entry
    FOR EACH ROW EXECUTE FUNCTION platebridge.entry_changes();

CREATE TRIGGER entry_leaves_a_tombstone AFTER DELETE ON platebridge.entry
    FOR EACH ROW EXECUTE FUNCTION platebridge.entry_goes();

-- Which list is in force on a POD, as it last said: revocation is shown as applied or pending by it.
CREATE TABLE platebridge.receipt (
    pod           text           PRIMARY KEY,
    community     platebridge.id NOT NULL,
    version       bigint         NOT NULL,
    digest        bytea          NOT NULL CHECK (octet_length(digest) = 32),
    refused_count integer        NOT NULL DEFAULT 0,
    -- At most a hundred of the refused entries: id and reason.
    refused       jsonb          NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(refused) <= 100),
    at            timestamptz    NOT NULL DEFAULT now(),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

CREATE TABLE platebridge.command (
    id          platebridge.id PRIMARY KEY,
    community   platebridge.id NOT NULL,
    pod         text           NOT NULL,
    gate        text           NOT NULL,
    kind        text           NOT NULL,
    asked_by    text           NOT NULL,
    asked_at    timestamptz    NOT NULL DEFAULT now(),
    expires_at  timestamptz    NOT NULL,
    result      text           CHECK (result IN ('commanded', 'refused', 'failed', 'unknown')),
    reason      text           NOT NULL DEFAULT '',
    answered_at timestamptz,
    CHECK ((result IS NULL) = (answered_at IS NULL)),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

CREATE INDEX command_of_community ON platebridge.command (community, asked_at DESC);
CREATE INDEX command_unanswered ON platebridge.command (pod) WHERE result IS NULL;
