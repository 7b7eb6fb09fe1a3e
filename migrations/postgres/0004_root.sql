-- The root that vouches for the certificates that the house makes for itself. One for the whole house: the next takes
-- the place of the one before, under the number after it.
CREATE TABLE root (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL,
    certificate TEXT NOT NULL,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
