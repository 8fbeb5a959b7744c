-- Who may do what. Every table shows rows by policy alone, to its owner, too.

GRANT USAGE ON SCHEMA platebridge TO platebridge_bridge, platebridge_api, platebridge_stats;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['company', 'community', 'site', 'gate', 'pod', 'camera', 'token', 'list_state', 'entry',
                                'entry_gone', 'receipt', 'command', 'audit', 'pod_cursor', 'incident', 'media'] LOOP
        EXECUTE format('ALTER TABLE platebridge.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        IF name NOT IN ('company', 'community') THEN
            EXECUTE format('CREATE POLICY of_the_tenant ON platebridge.%I TO platebridge_api '
                           'USING (community = (SELECT platebridge.tenant())) '
                           'WITH CHECK (community = (SELECT platebridge.tenant()))', name);
        END IF;
    END LOOP;
    -- The bridge serves every tenant; what it may do is bounded by the grants below.
    FOREACH name IN ARRAY ARRAY['pod', 'list_state', 'entry', 'entry_gone', 'receipt', 'command', 'audit',
                                'pod_cursor', 'incident'] LOOP
        EXECUTE format('CREATE POLICY of_the_bridge ON platebridge.%I TO platebridge_bridge '
                       'USING (true) WITH CHECK (true)', name);
    END LOOP;
    -- Triggers that run as the owner write these.
    FOREACH name IN ARRAY ARRAY['list_state', 'entry_gone'] LOOP
        EXECUTE format('CREATE POLICY of_the_triggers ON platebridge.%I TO platebridge_migrator '
                       'USING (true) WITH CHECK (true)', name);
    END LOOP;
END
$$;

CREATE POLICY of_the_tenant ON platebridge.community TO platebridge_api
    USING (id = (SELECT platebridge.tenant())) WITH CHECK (id = (SELECT platebridge.tenant()));
-- A company is seen by its communities; who founds a community names its company first.
CREATE POLICY of_the_tenant ON platebridge.company FOR SELECT TO platebridge_api
    USING (id = (SELECT c.company FROM platebridge.community AS c WHERE c.id = (SELECT platebridge.tenant())));
CREATE POLICY founded ON platebridge.company FOR INSERT TO platebridge_api WITH CHECK (true);
CREATE POLICY of_statistics ON platebridge.audit FOR SELECT TO platebridge_stats USING (true);

GRANT SELECT, INSERT ON platebridge.company TO platebridge_api;
GRANT SELECT, INSERT, UPDATE (name) ON platebridge.community TO platebridge_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON platebridge.site, platebridge.gate, platebridge.camera, platebridge.entry
    TO platebridge_api;
GRANT SELECT, INSERT, UPDATE (name, site, revoked_at) ON platebridge.pod TO platebridge_api;
GRANT SELECT, INSERT, UPDATE (used_at, revoked_at) ON platebridge.token TO platebridge_api;
GRANT SELECT, INSERT ON platebridge.command TO platebridge_api;
GRANT SELECT, INSERT, DELETE ON platebridge.media TO platebridge_api;
GRANT SELECT ON platebridge.list_state, platebridge.entry_gone, platebridge.receipt, platebridge.audit,
    platebridge.pod_cursor, platebridge.incident TO platebridge_api;
GRANT UPDATE (closed_at, closed_by) ON platebridge.incident TO platebridge_api;

GRANT SELECT ON platebridge.pod, platebridge.list_state, platebridge.entry, platebridge.entry_gone,
    platebridge.store_setting TO platebridge_bridge;
GRANT SELECT, INSERT ON platebridge.audit TO platebridge_bridge;
GRANT SELECT, INSERT, UPDATE ON platebridge.receipt TO platebridge_bridge;
GRANT SELECT, INSERT, UPDATE (line, seq, head, moved_at) ON platebridge.pod_cursor TO platebridge_bridge;
GRANT SELECT, UPDATE (result, reason, answered_at) ON platebridge.command TO platebridge_bridge;
GRANT SELECT, INSERT, UPDATE (times, last_at) ON platebridge.incident TO platebridge_bridge;
GRANT EXECUTE ON FUNCTION platebridge.audit_months() TO platebridge_bridge;

GRANT SELECT (community, pod, at, kind) ON platebridge.audit TO platebridge_stats;

-- Statistics belong to a role that may read every tenant's rows: refreshed by a tenant, a view would hold that
-- tenant's alone, and refreshed by an owner without a policy, nothing. A tenant reads them through the view below.
GRANT CREATE ON SCHEMA platebridge TO platebridge_stats;
SET LOCAL ROLE platebridge_stats;

CREATE MATERIALIZED VIEW platebridge.rows_by_day_of_all AS
SELECT community, pod, (at AT TIME ZONE 'UTC')::date AS day, kind, count(*) AS rows
FROM platebridge.audit
GROUP BY 1, 2, 3, 4;

CREATE UNIQUE INDEX rows_by_day_of_all_key ON platebridge.rows_by_day_of_all (community, day, pod, kind);

CREATE VIEW platebridge.rows_by_day WITH (security_barrier) AS
SELECT community, pod, day, kind, rows FROM platebridge.rows_by_day_of_all
WHERE community = (SELECT platebridge.tenant());

GRANT SELECT ON platebridge.rows_by_day TO platebridge_api;

SET LOCAL ROLE platebridge_migrator;
REVOKE CREATE ON SCHEMA platebridge FROM platebridge_stats;
