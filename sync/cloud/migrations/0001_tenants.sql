-- Who belongs to whom. A community is a tenant: row-level security shows each only its own rows.

-- The tenant of this transaction; NULL, and so no row at all, where none is set.
CREATE FUNCTION platebridge.tenant() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant', true), '');

-- What may name a thing: it goes into topics, certificates and file names.
CREATE DOMAIN platebridge.id AS text CHECK (VALUE ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$');

CREATE DOMAIN platebridge.name AS text CHECK (char_length(VALUE) BETWEEN 1 AND 200);

CREATE TABLE platebridge.company (
    id      platebridge.id   PRIMARY KEY,
    name    platebridge.name NOT NULL,
    made_at timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE platebridge.community (
    id      platebridge.id   PRIMARY KEY,
    company platebridge.id   NOT NULL REFERENCES platebridge.company,
    name    platebridge.name NOT NULL,
    made_at timestamptz      NOT NULL DEFAULT now()
);

CREATE INDEX community_of_company ON platebridge.community (company);

-- Keys hold the community, here and below: no row of a tenant can point to one of another.
CREATE TABLE platebridge.site (
    community platebridge.id   NOT NULL REFERENCES platebridge.community,
    id        platebridge.id   NOT NULL,
    name      platebridge.name NOT NULL,
    time_zone text             NOT NULL,
    PRIMARY KEY (community, id)
);

CREATE TABLE platebridge.gate (
    community platebridge.id   NOT NULL,
    id        platebridge.id   NOT NULL,
    site      platebridge.id   NOT NULL,
    name      platebridge.name NOT NULL,
    PRIMARY KEY (community, id),
    FOREIGN KEY (community, site) REFERENCES platebridge.site
);

CREATE TABLE platebridge.pod (
    id         text             PRIMARY KEY CHECK (id ~ '^pod-[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
    community  platebridge.id   NOT NULL,
    site       platebridge.id   NOT NULL,
    name       platebridge.name NOT NULL,
    made_at    timestamptz      NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    UNIQUE (community, id),
    FOREIGN KEY (community, site) REFERENCES platebridge.site
);

CREATE TABLE platebridge.camera (
    community platebridge.id   NOT NULL,
    pod       text             NOT NULL,
    name      platebridge.name NOT NULL,
    gate      platebridge.id,
    direction text             NOT NULL CHECK (direction IN ('in', 'out', 'both')),
    PRIMARY KEY (pod, name),
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id),
    FOREIGN KEY (community, gate) REFERENCES platebridge.gate
);

-- Secrets that let a POD in, as hashes: a join token, once, or the API key of a POD that cannot use its certificate.
CREATE TABLE platebridge.token (
    hash       bytea          PRIMARY KEY CHECK (octet_length(hash) = 32),
    community  platebridge.id NOT NULL,
    kind       text           NOT NULL CHECK (kind IN ('join', 'api_key')),
    site       platebridge.id,
    pod        text,
    made_at    timestamptz    NOT NULL DEFAULT now(),
    expires_at timestamptz,
    used_at    timestamptz,
    revoked_at timestamptz,
    CHECK (kind <> 'join' OR (site IS NOT NULL AND expires_at IS NOT NULL)),
    CHECK (kind <> 'api_key' OR pod IS NOT NULL),
    FOREIGN KEY (community, site) REFERENCES platebridge.site,
    FOREIGN KEY (community, pod) REFERENCES platebridge.pod (community, id)
);
