-- Of each POD's audit: which stretches are held, and which start of its program is listened to
-- (`sync.protocol.intake.Line`); checkpoints of it; and what PODs say of their own state.

ALTER TABLE platebridge.pod_cursor
    -- Stretches beyond the first, which `seq` and `head` end: base and head of each, as one number and 32 bytes.
    ADD COLUMN beyond  bytea  NOT NULL DEFAULT '' CHECK (octet_length(beyond) % 80 = 0 AND octet_length(beyond) <= 560),
    ADD COLUMN session text   NOT NULL DEFAULT '' CHECK (char_length(session) <= 64),
    ADD COLUMN hellos  bigint NOT NULL DEFAULT -1,
    -- Counts the changes: one that was worked out from an older state is not stored.
    ADD COLUMN turn    bigint NOT NULL DEFAULT 0;

-- The last row that an incident is about, where it is about several.
ALTER TABLE platebridge.incident ADD COLUMN through bigint NOT NULL DEFAULT 0;

-- Where an audit stood at a moment. Rows are only added: what is changed later contradicts them.
CREATE TABLE platebridge.audit_checkpoint (
    community platebridge.id NOT NULL,
    pod       text           NOT NULL,
    line      integer        NOT NULL,
    seq       bigint         NOT NULL,
    link      bytea          NOT NULL CHECK (octet_length(link) = 32),
    at        timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (pod, line, seq),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

-- The latest that a POD said of itself, and whether its connection stands.
CREATE TABLE platebridge.pod_health (
    pod         text           PRIMARY KEY,
    community   platebridge.id NOT NULL,
    -- NULL where only its presence is known.
    health      jsonb,
    health_at   timestamptz,
    session     text           NOT NULL DEFAULT '',
    online      boolean        NOT NULL DEFAULT false,
    presence_at timestamptz,
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
) WITH (fillfactor = 50);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_checkpoint', 'pod_health'] LOOP
        EXECUTE format('ALTER TABLE platebridge.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY of_the_tenant ON platebridge.%I FOR SELECT TO platebridge_api '
                       'USING (community = (SELECT platebridge.tenant()))', name);
        EXECUTE format('CREATE POLICY of_the_bridge ON platebridge.%I TO platebridge_bridge '
                       'USING (true) WITH CHECK (true)', name);
    END LOOP;
END
$$;

GRANT SELECT ON platebridge.audit_checkpoint, platebridge.pod_health TO platebridge_api;
GRANT SELECT, INSERT ON platebridge.audit_checkpoint TO platebridge_bridge;
GRANT SELECT, INSERT, UPDATE ON platebridge.pod_health TO platebridge_bridge;
GRANT UPDATE (beyond, session, hellos, turn) ON platebridge.pod_cursor TO platebridge_bridge;

-- Statistics are made anew by the bridge, and read by tenants alone.
GRANT CREATE ON SCHEMA platebridge TO platebridge_stats;
SET LOCAL ROLE platebridge_stats;

CREATE FUNCTION platebridge.refresh_statistics() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'REFRESH MATERIALIZED VIEW CONCURRENTLY platebridge.rows_by_day_of_all';

REVOKE ALL ON FUNCTION platebridge.refresh_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platebridge.refresh_statistics() TO platebridge_bridge;

SET LOCAL ROLE platebridge_migrator;
REVOKE CREATE ON SCHEMA platebridge FROM platebridge_stats;
