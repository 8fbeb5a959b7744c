-- The months of the audit: made ahead, dropped when their time is over.

-- As of any moment: for the owner alone, since a moment far ahead drops everything.
CREATE FUNCTION platebridge.audit_months_as_of(
    as_of timestamptz, OUT made text[], OUT dropped text[], OUT unplaced bigint
)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    this_month timestamptz := date_trunc('month', as_of);
    oldest     timestamptz;
    month      timestamptz;
    child      text;
BEGIN
    made := '{}';
    dropped := '{}';
    PERFORM pg_advisory_xact_lock(1886151282, 2);
    SELECT this_month - make_interval(months => keep_months) INTO STRICT oldest FROM platebridge.store_setting;
    FOR month IN SELECT generate_series(oldest, this_month + interval '3 months', interval '1 month') LOOP
        child := to_char(month, '"audit_"YYYY_MM');
        CONTINUE WHEN to_regclass('platebridge.' || child) IS NOT NULL;
        -- Made apart and attached: so bridges go on inserting into the other months.
        EXECUTE format('CREATE TABLE platebridge.%I (LIKE platebridge.audit INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                       child);
        -- Without a policy: whoever is not the owner sees it through `audit` alone.
        EXECUTE format('ALTER TABLE platebridge.%I ENABLE ROW LEVEL SECURITY', child);
        LOCK TABLE platebridge.audit_unplaced IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'WITH found AS (DELETE FROM platebridge.audit_unplaced WHERE at >= $1 AND at < $2 RETURNING *) '
            'INSERT INTO platebridge.%I SELECT * FROM found', child)
            USING month, month + interval '1 month';
        EXECUTE format('ALTER TABLE platebridge.audit ATTACH PARTITION platebridge.%I FOR VALUES FROM (%L) TO (%L)',
                       child, month, month + interval '1 month');
        made := made || child;
    END LOOP;
    FOR child IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'platebridge.audit'::regclass AND c.relname ~ '^audit_\d{4}_\d{2}$'
          AND c.relname < to_char(oldest, '"audit_"YYYY_MM')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE platebridge.%I', child);
        dropped := dropped || child;
    END LOOP;
    SELECT count(*) INTO unplaced FROM platebridge.audit_unplaced;
END
$$;

REVOKE ALL ON FUNCTION platebridge.audit_months_as_of(timestamptz) FROM PUBLIC;

-- As of now: what the bridge does every day, without any right to the months themselves.
CREATE FUNCTION platebridge.audit_months(OUT made text[], OUT dropped text[], OUT unplaced bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'SELECT * FROM platebridge.audit_months_as_of(now())';

REVOKE ALL ON FUNCTION platebridge.audit_months() FROM PUBLIC;
