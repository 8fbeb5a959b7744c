-- Before the numbered steps, each time: roles are the server's, not the database's, and do not come back with a
-- restored copy. Members of these roles sign in; the roles themselves cannot.

DO $$
DECLARE
    role      text;
    may_be_it text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH role IN ARRAY ARRAY['platebridge_migrator', 'platebridge_bridge', 'platebridge_dispatch',
                                'platebridge_api', 'platebridge_stats', 'platebridge_broker'] LOOP
        IF to_regrole(role) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        IF role IN ('platebridge_migrator', 'platebridge_stats') AND NOT pg_has_role(current_user, role, may_be_it) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role);
        END IF;
    END LOOP;
    IF to_regnamespace('platebridge') IS NULL THEN
        CREATE SCHEMA platebridge AUTHORIZATION platebridge_migrator;
    END IF;
END
$$;

SET LOCAL ROLE platebridge_migrator;

CREATE TABLE IF NOT EXISTS platebridge.migration (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     bytea       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text        NOT NULL DEFAULT session_user
);
