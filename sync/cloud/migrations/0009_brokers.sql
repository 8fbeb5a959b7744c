-- Who lets clients in at a broker reads who they are, and nothing else.

-- PODs that were revoked since then: a live connection of theirs is ended.
CREATE FUNCTION platebridge.pods_revoked(since timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT id FROM platebridge.pod WHERE revoked_at >= since
$$;

REVOKE ALL ON FUNCTION platebridge.pods_revoked(timestamptz) FROM PUBLIC;
GRANT USAGE ON SCHEMA platebridge TO platebridge_broker;
GRANT EXECUTE ON FUNCTION platebridge.token_holder(bytea), platebridge.pod_standing(text),
    platebridge.revoked_certificates(), platebridge.pods_revoked(timestamptz) TO platebridge_broker;
