-- The HTTPS front. One row tells who orders: its holder raises the beat while it lives, and whoever sees it stand
-- still takes over by raising the fence. Every write of a holder raises seq, which the other nodes follow.
CREATE TABLE front (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    fence BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    seq BIGINT NOT NULL
);
INSERT INTO front (one, fence, beat, seq) VALUES (1, 0, 0, 0);

-- Accounts with authorities (RFC 8555 section 7.1.2), one for each. The address is empty until it is registered.
CREATE TABLE acme_account (
    directory TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Names are sorted and divided by a blank. The window is what the authority suggested (RFC 9773), and renew_at the
-- moment that was drawn in it.
CREATE TABLE certificate (
    names TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    directory TEXT NOT NULL,
    challenge TEXT NOT NULL,
    chain TEXT NOT NULL,
    key_sealed BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    stored_at BIGINT NOT NULL,
    renew_at BIGINT NOT NULL,
    window_start BIGINT,
    window_end BIGINT,
    ask_at BIGINT NOT NULL
);

-- Orders under way, with the key that their certificate is for.
CREATE TABLE acme_order (
    names TEXT NOT NULL,
    directory TEXT NOT NULL,
    url TEXT NOT NULL,
    challenge TEXT NOT NULL,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (names, directory)
);

-- What any node answers an authority that looks: by token over HTTP, by host name over TLS.
CREATE TABLE acme_answer (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- What went wrong, and when it may be tried again. Without names it concerns everything at this authority.
CREATE TABLE acme_trouble (
    names TEXT NOT NULL,
    directory TEXT NOT NULL,
    kind TEXT NOT NULL,
    failures BIGINT NOT NULL,
    told TEXT NOT NULL,
    settings TEXT NOT NULL,
    failed_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (names, directory)
);
