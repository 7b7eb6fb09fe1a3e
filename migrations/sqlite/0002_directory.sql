-- Attributes that administrators define: one row is one attribute type. Values of people and groups are kept
-- in LDAP's form (RFC 4517). Numbers below 1001 belong to definitions that are always there.
CREATE TABLE attribute (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    is_list BOOLEAN NOT NULL,
    on_users BOOLEAN NOT NULL,
    on_groups BOOLEAN NOT NULL,
    is_visible BOOLEAN NOT NULL,
    is_editable BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO attribute (number, name, name_folded, kind, is_list, on_users, on_groups, is_visible, is_editable, created_at)
VALUES
    (1, 'sshPublicKey', 'sshpublickey', 'string', TRUE, TRUE, FALSE, TRUE, TRUE, 0),
    (2, 'loginShell', 'loginshell', 'string', FALSE, TRUE, FALSE, TRUE, FALSE, 0),
    (3, 'homeDirectory', 'homedirectory', 'string', FALSE, TRUE, FALSE, TRUE, FALSE, 0);

CREATE TABLE attribute_number (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO attribute_number (one, last) VALUES (1, 1000);

CREATE TABLE object_class (
    name_folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    on_users BOOLEAN NOT NULL,
    on_groups BOOLEAN NOT NULL
);

CREATE TABLE user_value (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    attribute BIGINT NOT NULL REFERENCES attribute (number) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (user_id, attribute, position)
);
CREATE INDEX user_value_by_attribute ON user_value (attribute);

CREATE TABLE group_value (
    group_id BLOB NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    attribute BIGINT NOT NULL REFERENCES attribute (number) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (group_id, attribute, position)
);
CREATE INDEX group_value_by_attribute ON group_value (attribute);

-- Addresses beside the one in users. An address is in one of the two tables at most once.
CREATE TABLE user_address (
    address_folded TEXT PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX user_address_by_user ON user_address (user_id);

-- A group in a group. There is never a way from a group back to itself.
CREATE TABLE nesting (
    child_id BLOB NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    parent_id BLOB NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (child_id, parent_id)
);
CREATE INDEX nesting_by_parent ON nesting (parent_id);

CREATE TABLE group_manager (
    group_id BLOB NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_manager_by_user ON group_manager (user_id);

-- The picture stands last: who asks whether there is one need not read past it.
CREATE TABLE avatar (
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    changed_at BIGINT NOT NULL,
    jpeg BLOB NOT NULL
);

-- A password for one service account goes with that account: without it, it would be good for all.
CREATE TABLE app_password (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE,
    networks TEXT NOT NULL,
    service_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_address TEXT
);
CREATE INDEX app_password_by_user ON app_password (user_id);
CREATE INDEX app_password_by_service ON app_password (service_id);

ALTER TABLE users ADD COLUMN is_service BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN not_before BIGINT;
ALTER TABLE users ADD COLUMN not_after BIGINT;
ALTER TABLE users ADD COLUMN uid_number BIGINT;
ALTER TABLE users ADD COLUMN gid_number BIGINT;
ALTER TABLE groups ADD COLUMN gid_number BIGINT;

-- Numbers of RFC 2307. People and groups count together, so that the group of one person alone, which has
-- that person's number, is never another group's.
CREATE TABLE posix_number (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO posix_number (one, last) VALUES (1, 199999);

UPDATE users SET uid_number = 199999 + old.place
FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY created_at, id) AS place FROM users) AS old
WHERE old.id = users.id;
UPDATE groups SET gid_number = 199999 + (SELECT COUNT(*) FROM users) + old.place
FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY created_at, number) AS place FROM groups) AS old
WHERE old.id = groups.id;
UPDATE posix_number SET last = 199999 + (SELECT COUNT(*) FROM users) + (SELECT COUNT(*) FROM groups);

CREATE UNIQUE INDEX users_uid_number ON users (uid_number);
CREATE INDEX users_by_gid_number ON users (gid_number);
CREATE UNIQUE INDEX groups_gid_number ON groups (gid_number);
