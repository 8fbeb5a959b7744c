-- By what a POD is known: its key, its certificates, its tokens; and how a service finds whose they are.

-- One key is one POD: a POD that registers again with its key stays who it is.
CREATE TABLE platebridge.pod_key (
    pod        text           PRIMARY KEY,
    community  platebridge.id NOT NULL,
    -- SubjectPublicKeyInfo, DER.
    public_key bytea          NOT NULL UNIQUE CHECK (octet_length(public_key) BETWEEN 32 AND 200),
    made_at    timestamptz    NOT NULL DEFAULT now(),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

-- What was issued: for brokers that read a list of revoked certificates, and for people.
CREATE TABLE platebridge.pod_certificate (
    serial      bytea          PRIMARY KEY CHECK (octet_length(serial) = 20),
    community   platebridge.id NOT NULL,
    pod         text           NOT NULL,
    valid_until timestamptz    NOT NULL,
    made_at     timestamptz    NOT NULL DEFAULT now(),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);

CREATE INDEX pod_certificate_of_pod ON platebridge.pod_certificate (pod, valid_until DESC);
CREATE INDEX token_of_pod ON platebridge.token (pod) WHERE revoked_at IS NULL;

-- When a POD was last heard over HTTPS: of one whose brokers are out of reach it is all that is known.
CREATE TABLE platebridge.pod_heartbeat (
    pod          text           PRIMARY KEY,
    community    platebridge.id NOT NULL,
    at           timestamptz    NOT NULL,
    tailscale_ip inet,
    -- As `sync.protocol.health` has it; NULL where the POD said nothing of it.
    health       jsonb,
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
) WITH (fillfactor = 50);

-- Whose token this is, before any tenant is known. Whoever asks has to know the secret.
CREATE FUNCTION platebridge.token_holder(
    of_hash bytea, OUT community text, OUT kind text, OUT pod text, OUT revoked_at timestamptz
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT t.community, t.kind, t.pod, coalesce(t.revoked_at, p.revoked_at)
FROM platebridge.token AS t LEFT JOIN platebridge.pod AS p ON p.id = t.pod WHERE t.hash = of_hash
$$;

-- Whether a POD may come in, and by which key it is known; for brokers, too.
CREATE FUNCTION platebridge.pod_standing(
    of_pod text, OUT community text, OUT revoked_at timestamptz, OUT public_key bytea
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT p.community, p.revoked_at, k.public_key
FROM platebridge.pod AS p LEFT JOIN platebridge.pod_key AS k ON k.pod = p.id WHERE p.id = of_pod
$$;

-- Which POD has this key.
CREATE FUNCTION platebridge.pod_of_key(of_key bytea) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT pod FROM platebridge.pod_key WHERE public_key = of_key
$$;

-- Certificates that would hold still and are revoked, for brokers that read such a list.
CREATE FUNCTION platebridge.revoked_certificates() RETURNS TABLE (serial bytea, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT c.serial, p.revoked_at
FROM platebridge.pod AS p JOIN platebridge.pod_certificate AS c ON c.pod = p.id
WHERE p.revoked_at IS NOT NULL AND c.valid_until > now()
$$;

REVOKE ALL ON FUNCTION platebridge.token_holder(bytea), platebridge.pod_standing(text),
    platebridge.pod_of_key(bytea), platebridge.revoked_certificates() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platebridge.token_holder(bytea), platebridge.pod_standing(text),
    platebridge.pod_of_key(bytea), platebridge.revoked_certificates() TO platebridge_api;

-- A revoked POD stays so: whoever has its key must not come back with it. It stays in its community, too, for its
-- audit is that community's.
CREATE FUNCTION platebridge.pod_changes() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.community) IS DISTINCT FROM (OLD.id, OLD.community) THEN
        RAISE EXCEPTION 'a POD keeps its id and its community: enroll it anew in the other one';
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'a revoked POD stays revoked: let it in anew with a join string';
    END IF;
    PERFORM pg_notify('platebridge_pod', NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER pod_is_told AFTER UPDATE ON platebridge.pod
    FOR EACH ROW EXECUTE FUNCTION platebridge.pod_changes();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['pod_key', 'pod_certificate', 'pod_heartbeat'] LOOP
        EXECUTE format('ALTER TABLE platebridge.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY of_the_tenant ON platebridge.%I TO platebridge_api '
                       'USING (community = (SELECT platebridge.tenant())) '
                       'WITH CHECK (community = (SELECT platebridge.tenant()))', name);
    END LOOP;
    -- The lookups run as the owner.
    FOREACH name IN ARRAY ARRAY['pod', 'token', 'pod_key', 'pod_certificate'] LOOP
        EXECUTE format('CREATE POLICY of_the_lookups ON platebridge.%I FOR SELECT TO platebridge_migrator '
                       'USING (true)', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON platebridge.pod_key TO platebridge_api;
GRANT SELECT, INSERT, DELETE ON platebridge.pod_certificate TO platebridge_api;
GRANT SELECT, INSERT, UPDATE (at, tailscale_ip, health) ON platebridge.pod_heartbeat TO platebridge_api;
-- A join token that was used names the POD it let in.
GRANT UPDATE (pod) ON platebridge.token TO platebridge_api;
