-- Lists on their way to PODs: each entry's text as PODs get it, each version's digest, told once it is committed; and
-- commands and moves. What goes down is signed by a service of its own: the one that reads every audit opens no gate.

ALTER TABLE platebridge.list_state
    -- As `sync.protocol.lists` counts it, of the entries that PODs get.
    ADD COLUMN digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(digest) = 32),
    ADD COLUMN entries integer NOT NULL DEFAULT 0;

-- Lists that PODs may still have and can be led on from by what changed; a thousand of each community.
CREATE TABLE platebridge.list_version (
    community platebridge.id NOT NULL REFERENCES platebridge.community,
    version   bigint         NOT NULL,
    digest    bytea          NOT NULL CHECK (octet_length(digest) = 32),
    made_at   timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (community, version)
);

ALTER TABLE platebridge.entry
    ALTER COLUMN id SET DEFAULT gen_random_uuid()::text,
    -- As PODs get it (`sync.protocol.entry_document`); written by a trigger, as are the hashes.
    ADD COLUMN document text CHECK (octet_length(document) <= 4096),
    -- What it adds to the list's digest; NULL where PODs do not get it.
    ADD COLUMN hash bytea,
    -- What it added before its version.
    ADD COLUMN hash_before bytea,
    ADD CONSTRAINT entry_in_the_calendar CHECK (
        starts_at BETWEEN timestamptz '0001-01-01 UTC' AND timestamptz '9999-12-31 23:59:59.999999 UTC' AND
        expires_at BETWEEN timestamptz '0001-01-01 UTC' AND timestamptz '9999-12-31 23:59:59.999999 UTC');

ALTER TABLE platebridge.entry_gone ADD COLUMN hash_before bytea;

-- What limits nothing is left out: a POD that is older than a field can read every entry that does not use it.
CREATE FUNCTION platebridge.entry_document(e platebridge.entry) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT json_strip_nulls(json_build_object(
    'key', e.key, 'plate', e.plate, 'verdict', e.verdict, 'type', e.type, 'label', nullif(e.label, ''),
    'starts_us', (extract(epoch FROM e.starts_at) * 1000000)::bigint,
    'expires_us', (extract(epoch FROM e.expires_at) * 1000000)::bigint,
    'gates', nullif(e.gates, '{}'), 'cameras', nullif(e.cameras, '{}'), 'sites', nullif(e.sites, '{}'),
    'schedule', e.schedule, 'uses_left', e.uses_left, 'exact_only', nullif(e.exact_only, false)))::text
$$;

CREATE OR REPLACE FUNCTION platebridge.next_version(of_community text) RETURNS bigint
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
        IF EXISTS (SELECT FROM platebridge.list_version AS v
                   WHERE v.community = of_community AND v.version = version_now) THEN
            RAISE EXCEPTION 'the digest of this version is made: change the list before SET CONSTRAINTS ... IMMEDIATE';
        END IF;
    END IF;
    RETURN version_now;
END
$$;

CREATE OR REPLACE FUNCTION platebridge.entry_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone platebridge.entry_gone;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.community, NEW.id) IS DISTINCT FROM (OLD.community, OLD.id) THEN
        RAISE EXCEPTION 'an entry keeps its community and its id';
    END IF;
    NEW.version := platebridge.next_version(NEW.community);
    NEW.document := platebridge.entry_document(NEW);
    NEW.hash := CASE WHEN NEW.enabled AND NEW.owner = 'cloud' THEN
        sha256(convert_to(NEW.id, 'UTF8') || '\x00'::bytea || convert_to(NEW.document, 'UTF8')) END;
    DELETE FROM platebridge.entry_gone WHERE community = NEW.community AND id = NEW.id RETURNING * INTO gone;
    -- An entry may go, come and change within one version: what counts is what it was before that.
    NEW.hash_before := CASE
        WHEN TG_OP = 'UPDATE' AND OLD.version = NEW.version THEN OLD.hash_before
        WHEN TG_OP = 'UPDATE' THEN OLD.hash
        WHEN gone.version = NEW.version THEN gone.hash_before END;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION platebridge.entry_goes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    version_now bigint := platebridge.next_version(OLD.community);
BEGIN
    INSERT INTO platebridge.entry_gone (community, id, version, hash_before)
    VALUES (OLD.community, OLD.id, version_now,
            CASE WHEN OLD.version = version_now THEN OLD.hash_before ELSE OLD.hash END);
    RETURN NULL;
END
$$;

-- At the commit, once for each version: its digest from that of the last one and what changed, as eight numbers of
-- 32 bits with the carry between them.
CREATE FUNCTION platebridge.list_moves() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forget_through bigint := NEW.version - 1000;
    count_now      integer;
    lane           bigint;
    carry          bigint := 0;
    digest_now     bytea  := '';
BEGIN
    SELECT s.entries INTO STRICT count_now FROM platebridge.list_state AS s WHERE s.community = NEW.community;
    FOR lane IN
        WITH changed AS (
            SELECT hash, 1 AS sign FROM platebridge.entry
            WHERE community = NEW.community AND version = NEW.version
            UNION ALL
            SELECT hash_before, -1 FROM platebridge.entry
            WHERE community = NEW.community AND version = NEW.version
            UNION ALL
            SELECT hash_before, -1 FROM platebridge.entry_gone
            WHERE community = NEW.community AND version = NEW.version
            UNION ALL
            SELECT digest, 1 FROM platebridge.list_state WHERE community = NEW.community
        )
        SELECT sum(sign * ('x' || encode(substr(hash, 4 * n + 1, 4), 'hex'))::bit(32)::bigint)
        FROM changed, generate_series(0, 7) AS n WHERE hash IS NOT NULL GROUP BY n ORDER BY n DESC
    LOOP
        carry := carry + lane;
        digest_now := substr(int8send(carry & 4294967295), 5) || digest_now;
        carry := carry >> 32;
    END LOOP;
    SELECT count_now + coalesce(sum((hash IS NOT NULL)::int - (hash_before IS NOT NULL)::int), 0) INTO count_now
    FROM platebridge.entry WHERE community = NEW.community AND version = NEW.version;
    SELECT count_now - count(hash_before) INTO count_now
    FROM platebridge.entry_gone WHERE community = NEW.community AND version = NEW.version;
    IF count_now > 100000 THEN
        RAISE EXCEPTION 'a list of % entries: a POD takes 100000, so remove some, or use several communities', count_now
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE platebridge.list_state SET digest = digest_now, entries = count_now WHERE community = NEW.community;
    INSERT INTO platebridge.list_version (community, version, digest) VALUES (NEW.community, NEW.version, digest_now);
    DELETE FROM platebridge.list_version WHERE community = NEW.community AND version <= forget_through;
    DELETE FROM platebridge.entry_gone WHERE community = NEW.community AND version <= forget_through;
    PERFORM pg_notify('platebridge_list', NEW.community);
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER list_is_told AFTER INSERT OR UPDATE OF version ON platebridge.list_state
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION platebridge.list_moves();

-- A command is asked for now and dies within a minute; the POD's session is noted before it is sent for the first time.
ALTER TABLE platebridge.command
    ALTER COLUMN id SET DEFAULT gen_random_uuid()::text,
    ADD COLUMN confirmed boolean NOT NULL DEFAULT false,
    ADD COLUMN session   text    CHECK (session ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$'),
    ADD CONSTRAINT command_is_short CHECK (expires_at BETWEEN asked_at AND asked_at + interval '60 seconds'),
    ADD CONSTRAINT command_is_known CHECK (kind = 'open'),
    ADD CONSTRAINT command_names_a_gate CHECK (gate ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$'),
    ADD CONSTRAINT command_names_who CHECK (char_length(asked_by) BETWEEN 1 AND 200);

DROP INDEX platebridge.command_unanswered;
CREATE INDEX command_to_settle ON platebridge.command (asked_at) WHERE result IS NULL OR result = 'unknown';

CREATE FUNCTION platebridge.command_is_asked() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('platebridge_command', NEW.pod);
    RETURN NULL;
END
$$;

CREATE TRIGGER command_is_told AFTER INSERT ON platebridge.command
    FOR EACH ROW EXECUTE FUNCTION platebridge.command_is_asked();

-- The cloud moves, or a community of it: PODs are told until it is withdrawn. No tenant can move anybody.
CREATE TABLE platebridge.move (
    -- Milliseconds since 1970, so that it rises also where the database is put back.
    number       bigint      PRIMARY KEY DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    -- NULL: every community.
    community    platebridge.id REFERENCES platebridge.community,
    portal       text        NOT NULL CHECK (portal ~ '^https://[A-Za-z0-9.:\[\]-]{1,253}/?$'),
    brokers      text[]      NOT NULL CHECK (
        cardinality(brokers) BETWEEN 1 AND 16 AND array_position(brokers, NULL) IS NULL AND
        array_to_string(brokers, ' ') ~ '^((mqtts|wss)://[A-Za-z0-9./:\[\]-]{1,253}( |$))+$'),
    made_at      timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz
);

-- Kinds are named by the services that note them.
ALTER TABLE platebridge.incident
    DROP CONSTRAINT IF EXISTS incident_kind_check,
    ADD CONSTRAINT incident_kind_check CHECK (kind ~ '^[a-z][a-z_]{0,31}$');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['list_version', 'move'] LOOP
        EXECUTE format('ALTER TABLE platebridge.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY of_the_owner ON platebridge.%I TO platebridge_migrator '
                       'USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['pod', 'list_state', 'list_version', 'entry', 'entry_gone', 'receipt', 'command',
                                'pod_cursor', 'move', 'incident'] LOOP
        EXECUTE format('CREATE POLICY of_the_dispatch ON platebridge.%I TO platebridge_dispatch '
                       'USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['entry', 'entry_gone', 'receipt', 'command'] LOOP
        EXECUTE format('DROP POLICY of_the_bridge ON platebridge.%I', name);
    END LOOP;
END
$$;

CREATE POLICY of_the_tenant ON platebridge.list_version TO platebridge_api
    USING (community = (SELECT platebridge.tenant()));
CREATE POLICY of_the_triggers ON platebridge.entry FOR SELECT TO platebridge_migrator USING (true);

REVOKE ALL ON platebridge.entry, platebridge.entry_gone, platebridge.receipt, platebridge.command
    FROM platebridge_bridge;
REVOKE INSERT ON platebridge.command FROM platebridge_api;
GRANT INSERT (id, community, pod, gate, kind, asked_by, expires_at, confirmed) ON platebridge.command
    TO platebridge_api;
GRANT SELECT ON platebridge.list_version TO platebridge_api;

GRANT USAGE ON SCHEMA platebridge TO platebridge_dispatch;
GRANT SELECT ON platebridge.pod, platebridge.list_state, platebridge.list_version, platebridge.entry,
    platebridge.entry_gone, platebridge.move TO platebridge_dispatch;
GRANT SELECT (pod, session) ON platebridge.pod_cursor TO platebridge_dispatch;
GRANT SELECT, INSERT, UPDATE ON platebridge.receipt TO platebridge_dispatch;
GRANT SELECT, UPDATE (session, result, reason, answered_at) ON platebridge.command TO platebridge_dispatch;
GRANT SELECT, INSERT, UPDATE (times, last_at) ON platebridge.incident TO platebridge_dispatch;

-- Entries that were there before get their text; each community's list rises by one version.
ALTER TABLE platebridge.entry NO FORCE ROW LEVEL SECURITY;
UPDATE platebridge.entry SET enabled = enabled;
ALTER TABLE platebridge.entry FORCE ROW LEVEL SECURITY;
