-- Times are microseconds UTC, folded columns hold what names are compared by, states are words.

CREATE TABLE directory_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);
INSERT INTO directory_head (one, seq) VALUES (1, 0);

CREATE TABLE directory_change (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    other UUID,
    at BIGINT NOT NULL
);

CREATE TABLE users (
    id UUID PRIMARY KEY,
    subject UUID NOT NULL UNIQUE,
    username TEXT NOT NULL,
    username_folded TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    email_verified BOOLEAN NOT NULL,
    display_name TEXT NOT NULL,
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    disabled_at BIGINT,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);

CREATE TABLE password (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    phc TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE totp (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret_sealed BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE TABLE groups (
    id UUID PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE group_number (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO group_number (one, last) VALUES (1, 0);

CREATE TABLE membership (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX membership_by_group ON membership (group_id);

CREATE TABLE session (
    id UUID PRIMARY KEY,
    parent_id UUID REFERENCES session (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL UNIQUE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    methods TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    remembered BOOLEAN NOT NULL,
    address TEXT,
    agent TEXT
);
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_parent ON session (parent_id);
CREATE INDEX session_by_expiry ON session (expires_at);

-- One-time links that must outlive the cache: the first administrator's.
CREATE TABLE invitation (
    token_hash BYTEA PRIMARY KEY,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Short-lived values and counters for the time when the cache cannot be reached.
CREATE TABLE fallback_ticket (
    token_hash BYTEA PRIMARY KEY,
    value BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX fallback_ticket_by_expiry ON fallback_ticket (expires_at);

CREATE TABLE fallback_counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX fallback_counter_by_expiry ON fallback_counter (expires_at);

-- Numbers count up, so that two first starts at the same moment make one key.
CREATE TABLE signing_key (
    id UUID PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    kid TEXT NOT NULL UNIQUE,
    alg TEXT NOT NULL,
    private_sealed BYTEA NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retired_at BIGINT
);

CREATE TABLE client (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BYTEA,
    secret_changed_at BIGINT,
    policy TEXT NOT NULL,
    scopes TEXT NOT NULL,
    consent_remember BIGINT NOT NULL,
    claims_in_id_token BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE client_redirect (
    client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (client_id, uri)
);

CREATE TABLE consent (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

CREATE TABLE oidc_grant (
    id UUID PRIMARY KEY,
    state TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    scopes TEXT NOT NULL,
    state_param TEXT,
    nonce TEXT,
    code_challenge TEXT NOT NULL,
    prompt TEXT NOT NULL,
    max_age BIGINT,
    login_hint TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consented_by UUID,
    code_hash BYTEA UNIQUE,
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    session_id UUID,
    generation BIGINT,
    methods TEXT,
    authenticated_at BIGINT,
    exchanged_at BIGINT,
    used_at BIGINT
);
CREATE INDEX oidc_grant_by_user ON oidc_grant (user_id);
CREATE INDEX oidc_grant_by_client ON oidc_grant (client_id);
CREATE INDEX oidc_grant_by_expiry ON oidc_grant (expires_at);

-- What came of a grant hangs from it alone: ending a person, a client or a sign-in deletes grants,
-- always from above. Client and person stand here again to be read without a join.
CREATE TABLE access_token (
    id UUID PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    grant_id UUID NOT NULL REFERENCES oidc_grant (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    user_id UUID NOT NULL,
    generation BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_token_by_grant ON access_token (grant_id);
CREATE INDEX access_token_by_expiry ON access_token (expires_at);

-- A family is one row; its rotated tokens hang from it, so that ending it is one statement.
CREATE TABLE refresh_family (
    id UUID PRIMARY KEY,
    grant_id UUID NOT NULL UNIQUE REFERENCES oidc_grant (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    user_id UUID NOT NULL,
    generation BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    methods TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX refresh_family_by_expiry ON refresh_family (expires_at);

CREATE TABLE refresh_token (
    token_hash BYTEA PRIMARY KEY,
    family_id UUID NOT NULL REFERENCES refresh_family (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    successor_sealed BYTEA
);
CREATE INDEX refresh_token_by_family ON refresh_token (family_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);

-- Mail that waits to be handed over.
CREATE TABLE outbox (
    id UUID PRIMARY KEY,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body_text TEXT NOT NULL,
    body_html TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (due_at);
