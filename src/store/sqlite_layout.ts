/** The layout of a SQLite database, one step a version. A step that was released is never changed. */
import { PosternError } from "../errors/mod.ts";
import type { SqliteConnection } from "./sqlite_connection.ts";

const STEPS: readonly string[] = [
  `
  CREATE TABLE tunnels (
    tunnel_id     TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    owner         TEXT NOT NULL,
    anonymous     INTEGER NOT NULL,
    protocol      TEXT NOT NULL,
    public_port   INTEGER UNIQUE,
    created_at    INTEGER NOT NULL,
    held_until    INTEGER NOT NULL,
    created_from  TEXT
  ) STRICT;
  CREATE INDEX tunnels_by_owner ON tunnels (owner, created_at);
  CREATE INDEX tunnels_abandoned ON tunnels (held_until) WHERE anonymous = 1;
  CREATE INDEX tunnels_by_origin ON tunnels (created_from) WHERE created_from IS NOT NULL;

  CREATE TABLE agents (
    tunnel_id     TEXT NOT NULL REFERENCES tunnels (tunnel_id) ON DELETE CASCADE,
    agent_id      TEXT NOT NULL,
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    PRIMARY KEY (tunnel_id, agent_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE single_use (
    kind          TEXT NOT NULL,
    id            TEXT NOT NULL,
    forget_at     INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX single_use_by_end ON single_use (forget_at);
  -- Counting rows at every use would cost more than the use.
  CREATE TABLE single_use_counts (kind TEXT PRIMARY KEY, remembered INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TRIGGER single_use_added AFTER INSERT ON single_use BEGIN
    INSERT INTO single_use_counts VALUES (new.kind, 1) ON CONFLICT DO UPDATE SET remembered = remembered + 1;
  END;
  CREATE TRIGGER single_use_removed AFTER DELETE ON single_use BEGIN
    UPDATE single_use_counts SET remembered = remembered - 1 WHERE kind = old.kind;
  END;

  CREATE TABLE challenges (
    challenge_id  TEXT PRIMARY KEY,
    expires_at    INTEGER NOT NULL,
    body          TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX challenges_by_end ON challenges (expires_at);

  CREATE TABLE keyset (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    revision      INTEGER NOT NULL,
    value         TEXT NOT NULL
  ) STRICT;

  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    action        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    detail        TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE tunnels ADD COLUMN rules TEXT;
  ALTER TABLE tunnels ADD COLUMN rules_revision INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE revocations (
    kind          TEXT NOT NULL,
    id            TEXT NOT NULL,
    owner         TEXT NOT NULL,
    revoked_at    INTEGER NOT NULL,
    forget_at     INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX revocations_by_end ON revocations (forget_at);
  CREATE INDEX revocations_by_owner ON revocations (owner, kind);
  `,
  `
  ALTER TABLE challenges ADD COLUMN subject TEXT NOT NULL DEFAULT '';
  CREATE INDEX challenges_by_subject ON challenges (subject);
  `,
  `
  -- A udp port has nothing to do with the tcp port of the same number (public_port).
  ALTER TABLE tunnels ADD COLUMN public_udp_port INTEGER;
  CREATE UNIQUE INDEX tunnels_by_udp_port ON tunnels (public_udp_port) WHERE public_udp_port IS NOT NULL;
  `,
  `
  CREATE TABLE machines (
    agent_id            TEXT PRIMARY KEY,
    ek_sha256           TEXT NOT NULL UNIQUE,
    ek_certificate      TEXT NOT NULL,
    ek_intermediates    TEXT NOT NULL,
    ak_public           TEXT NOT NULL,
    ak_name             TEXT NOT NULL UNIQUE,
    labels              TEXT NOT NULL,
    enrolled_at         INTEGER NOT NULL,
    continuity          TEXT,
    continuity_revision INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  -- Apart from the machines: an EK may be refused before it ever came.
  CREATE TABLE revoked_eks (
    ek_sha256     TEXT PRIMARY KEY,
    revoked_at    INTEGER NOT NULL,
    reason        TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE enrolment_tokens (
    token_id      TEXT PRIMARY KEY,
    secret_sha256 TEXT NOT NULL,
    labels        TEXT,
    ek_sha256     TEXT,
    created_by    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_by       TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX enrolment_tokens_by_end ON enrolment_tokens (expires_at);
  `,
  `
  -- Empty in lines of before the chain.
  ALTER TABLE audit ADD COLUMN previous TEXT NOT NULL DEFAULT '';
  ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
  `,
  `
  -- Versions are added, never changed. AUTOINCREMENT: the newest id is the revision of all of them.
  CREATE TABLE policies (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    body          TEXT NOT NULL,
    applied_by    TEXT NOT NULL,
    applied_at    INTEGER NOT NULL,
    overlap_until INTEGER NOT NULL,
    UNIQUE (name, version)
  ) STRICT;

  -- Weakest tier of agents that may serve the tunnel; null: any.
  ALTER TABLE tunnels ADD COLUMN require_tier TEXT;
  `,
  `
  CREATE TABLE open_enrolments (
    enrolment_id  TEXT PRIMARY KEY,
    token_id      TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    body          TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX open_enrolments_by_token ON open_enrolments (token_id);
  CREATE INDEX open_enrolments_by_end ON open_enrolments (expires_at);
  `,
  `
  -- Nothing here is deleted with its tunnel: a tunnel may be another control's, and rows go by time.
  CREATE TABLE attestations (
    attestation_id TEXT PRIMARY KEY,
    tunnel_id      TEXT NOT NULL,
    agent_id       TEXT NOT NULL,
    opened_at      INTEGER NOT NULL,
    attested_at    INTEGER NOT NULL,
    live_until     INTEGER NOT NULL,
    changed_at     INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('passed', 'asked', 'failed', 'lapsed', 'ended')),
    code           TEXT,
    attempts       INTEGER NOT NULL,
    deadline       INTEGER,
    holder         TEXT,
    session_id     TEXT,
    body           TEXT NOT NULL
  ) STRICT;
  CREATE INDEX attestations_by_agent ON attestations (tunnel_id, agent_id);
  CREATE INDEX attestations_by_end ON attestations (live_until);
  CREATE INDEX attestations_by_change ON attestations (changed_at);

  CREATE TABLE attestation_deferrals (
    tunnel_id      TEXT NOT NULL,
    agent_id       TEXT NOT NULL,
    deferred_until INTEGER NOT NULL,
    spent          INTEGER NOT NULL,
    PRIMARY KEY (tunnel_id, agent_id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE routes (
    kind          TEXT NOT NULL,
    route         TEXT NOT NULL,
    subject       TEXT NOT NULL,
    claimed_at    INTEGER NOT NULL,
    PRIMARY KEY (kind, route)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX routes_by_age ON routes (claimed_at);
  `,
  `
  CREATE TABLE token_families (
    family        TEXT PRIMARY KEY,
    owner         TEXT NOT NULL,
    ends_at       INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX token_families_by_owner ON token_families (owner);
  CREATE INDEX token_families_by_end ON token_families (ends_at);
  `,
  `
  -- When connectors and tunnelers were heard last.
  CREATE TABLE node_presences (
    role          TEXT NOT NULL,
    id            TEXT NOT NULL,
    private_ip    TEXT,
    connector_id  TEXT,
    version       TEXT NOT NULL,
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    PRIMARY KEY (role, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE admin_accounts (
    account_id    TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,
    password_hash TEXT,
    subject       TEXT UNIQUE,
    created_by    TEXT NOT NULL,
    created_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE admin_invites (
    secret_sha256 TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    only_first    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    expires_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE admin_sessions (
    session_id    TEXT PRIMARY KEY,
    secret_sha256 TEXT NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    account_id    TEXT NOT NULL,
    address       TEXT NOT NULL,
    opened_at     INTEGER NOT NULL,
    used_at       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX admin_sessions_by_account ON admin_sessions (account_id);
  -- Secrets that were replaced: one that comes again was stolen, by whoever came first or second.
  CREATE TABLE admin_spent_secrets (secret_sha256 TEXT PRIMARY KEY, session_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX admin_spent_secrets_by_session ON admin_spent_secrets (session_id);

  CREATE TABLE deliveries (
    secret_sha256 TEXT PRIMARY KEY,
    subject       TEXT NOT NULL,
    sealed        TEXT NOT NULL,
    expires_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE enrolment_tokens ADD COLUMN role TEXT;
  ALTER TABLE enrolment_tokens ADD COLUMN node_id TEXT;

  CREATE TABLE authorities (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    revision      INTEGER NOT NULL,
    value         TEXT NOT NULL
  ) STRICT;

  CREATE TABLE node_identities (
    role          TEXT NOT NULL,
    node_id       TEXT NOT NULL,
    key_sha256    TEXT NOT NULL,
    previous_key  TEXT,
    enrolled_at   INTEGER NOT NULL,
    renewed_at    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    issuer_sha256 TEXT NOT NULL,
    PRIMARY KEY (role, node_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX node_identities_by_issuer ON node_identities (issuer_sha256, not_after);

  CREATE TABLE node_certificates (
    serial        TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    node_id       TEXT NOT NULL,
    issuer_sha256 TEXT NOT NULL,
    key_sha256    TEXT NOT NULL,
    issued_at     INTEGER NOT NULL,
    not_after     INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX node_certificates_by_end ON node_certificates (not_after);

  CREATE TABLE revoked_identities (
    kind          TEXT NOT NULL CHECK (kind IN ('serial', 'key', 'id')),
    value         TEXT NOT NULL,
    severity      TEXT NOT NULL CHECK (severity IN ('drain', 'cut')),
    revoked_at    INTEGER NOT NULL,
    revoked_by    TEXT NOT NULL,
    reason        TEXT NOT NULL,
    PRIMARY KEY (kind, value)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE INDEX attestations_not_held ON attestations (attested_at) WHERE holder IS NULL;
  `,
  `
  ALTER TABLE challenges ADD COLUMN owner TEXT NOT NULL DEFAULT '';
  CREATE INDEX challenges_by_owner ON challenges (owner);
  `,
  `
  -- One row for each process of an edge.
  CREATE TABLE edges (
    instance_id   TEXT PRIMARY KEY,
    edge_id       TEXT NOT NULL,
    edge_url      TEXT NOT NULL,
    transport     TEXT NOT NULL,
    region        TEXT NOT NULL,
    priority      INTEGER NOT NULL,
    public_key    TEXT NOT NULL,
    seen_at       INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE served_tunnels (
    tunnel_id     TEXT NOT NULL,
    instance_id   TEXT NOT NULL,
    agents        INTEGER NOT NULL,
    tiers         TEXT NOT NULL,
    PRIMARY KEY (tunnel_id, instance_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX served_tunnels_by_edge ON served_tunnels (instance_id);
  `,
  `
  CREATE TABLE pending_pairs (
    secret_sha256    TEXT PRIMARY KEY,
    tenant           TEXT NOT NULL,
    channel_id       TEXT NOT NULL,
    owner            TEXT NOT NULL,
    tunnel_id        TEXT NOT NULL,
    sealed_key       TEXT NOT NULL,
    client_key       TEXT,
    init_expire_at   INTEGER NOT NULL,
    client_token     TEXT NOT NULL,
    server_token     TEXT NOT NULL,
    tokens_expire_at INTEGER NOT NULL,
    reissues         INTEGER NOT NULL,
    UNIQUE (tenant, channel_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_pairs_by_owner ON pending_pairs (owner);
  CREATE INDEX pending_pairs_by_end ON pending_pairs (init_expire_at);
  `,
  `
  ALTER TABLE node_identities ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';

  CREATE TABLE node_rules (
    connector     TEXT NOT NULL,
    tunneler      TEXT NOT NULL,
    added_by      TEXT NOT NULL,
    added_at      INTEGER NOT NULL,
    PRIMARY KEY (connector, tunneler)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- A step of -1: no code of it was seen yet.
  CREATE TABLE admin_totp (
    account_id    TEXT PRIMARY KEY,
    secret        TEXT NOT NULL,
    last_step     INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

/** The layout that this program writes. */
const layoutVersion = STEPS.length;

/** Brings the database to {@link layoutVersion}. Throws `store_too_new`. */
export function migrateSqlite(connection: SqliteConnection): void {
  connection.begin();
  try {
    const version = connection.number("PRAGMA user_version");
    if (version > layoutVersion) {
      throw new PosternError(
        "store_too_new",
        `Cannot open store: it has layout ${version}, newest known is ${layoutVersion}`,
      );
    }
    for (const step of STEPS.slice(version)) connection.script(step);
    connection.script(`PRAGMA user_version = ${layoutVersion}`);
    connection.commit();
  } catch (error) {
    connection.rollBack();
    throw error;
  }
}
