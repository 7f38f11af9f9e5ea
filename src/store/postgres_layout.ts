/**
 * The layout of a PostgreSQL schema, one step a version. A step that was released is never changed. Tables and columns are
 * those of the SQLite layout; texts that are compared by order are compared byte by byte.
 */
import { PosternError } from "../errors/mod.ts";
import type { Sql } from "./sql.ts";

const STEPS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE tunnels (
      tunnel_id       text COLLATE "C" PRIMARY KEY,
      name            text NOT NULL UNIQUE,
      owner           text NOT NULL,
      anonymous       bigint NOT NULL,
      protocol        text NOT NULL,
      public_port     bigint UNIQUE,
      -- A udp port has nothing to do with the tcp port of the same number (public_port).
      public_udp_port bigint UNIQUE,
      created_at      bigint NOT NULL,
      held_until      bigint NOT NULL,
      created_from    text,
      rules           text,
      rules_revision  bigint NOT NULL DEFAULT 0,
      -- Weakest tier of agents that may serve the tunnel; null: any.
      require_tier    text
    )`,
    `CREATE INDEX tunnels_by_owner ON tunnels (owner, created_at)`,
    `CREATE INDEX tunnels_abandoned ON tunnels (held_until) WHERE anonymous = 1`,
    `CREATE INDEX tunnels_by_origin ON tunnels (created_from) WHERE created_from IS NOT NULL`,
    `CREATE TABLE agents (
      tunnel_id  text COLLATE "C" NOT NULL REFERENCES tunnels (tunnel_id) ON DELETE CASCADE,
      agent_id   text COLLATE "C" NOT NULL,
      first_seen bigint NOT NULL,
      last_seen  bigint NOT NULL,
      PRIMARY KEY (tunnel_id, agent_id)
    )`,

    `CREATE TABLE single_use (
      kind      text NOT NULL,
      id        text NOT NULL,
      forget_at bigint NOT NULL,
      PRIMARY KEY (kind, id)
    )`,
    `CREATE INDEX single_use_by_end ON single_use (forget_at)`,
    // Counting rows at every use would cost more than the use.
    `CREATE TABLE single_use_counts (kind text PRIMARY KEY, remembered bigint NOT NULL)`,
    `CREATE FUNCTION single_use_counted() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          INSERT INTO single_use_counts AS counts VALUES (new.kind, 1)
            ON CONFLICT (kind) DO UPDATE SET remembered = counts.remembered + 1;
        ELSE
          UPDATE single_use_counts SET remembered = remembered - 1 WHERE kind = old.kind;
        END IF;
        RETURN NULL;
      END
    $$`,
    `CREATE TRIGGER single_use_counted AFTER INSERT OR DELETE ON single_use
      FOR EACH ROW EXECUTE FUNCTION single_use_counted()`,

    `CREATE TABLE challenges (
      challenge_id text PRIMARY KEY,
      expires_at   bigint NOT NULL,
      body         text NOT NULL,
      subject      text NOT NULL DEFAULT '',
      owner        text NOT NULL DEFAULT ''
    )`,
    `CREATE INDEX challenges_by_end ON challenges (expires_at)`,
    `CREATE INDEX challenges_by_subject ON challenges (subject)`,
    `CREATE INDEX challenges_by_owner ON challenges (owner)`,

    `CREATE TABLE keyset (
      one      bigint PRIMARY KEY CHECK (one = 1),
      revision bigint NOT NULL,
      value    text NOT NULL
    )`,
    `CREATE TABLE settings (key text PRIMARY KEY, value text NOT NULL)`,
    `CREATE TABLE audit (
      id       bigint PRIMARY KEY,
      at       bigint NOT NULL,
      actor    text NOT NULL,
      action   text NOT NULL,
      subject  text NOT NULL,
      outcome  text NOT NULL,
      detail   text NOT NULL,
      previous text NOT NULL DEFAULT '',
      hash     text NOT NULL DEFAULT ''
    )`,

    `CREATE TABLE revocations (
      kind       text NOT NULL,
      id         text NOT NULL,
      owner      text NOT NULL,
      revoked_at bigint NOT NULL,
      forget_at  bigint NOT NULL,
      PRIMARY KEY (kind, id)
    )`,
    `CREATE INDEX revocations_by_end ON revocations (forget_at)`,
    `CREATE INDEX revocations_by_owner ON revocations (owner, kind)`,

    `CREATE TABLE machines (
      agent_id            text COLLATE "C" PRIMARY KEY,
      ek_sha256           text NOT NULL UNIQUE,
      ek_certificate      text NOT NULL,
      ek_intermediates    text NOT NULL,
      ak_public           text NOT NULL,
      ak_name             text NOT NULL UNIQUE,
      labels              text NOT NULL,
      enrolled_at         bigint NOT NULL,
      continuity          text,
      continuity_revision bigint NOT NULL DEFAULT 0
    )`,
    // Apart from the machines: an EK may be refused before it ever came.
    `CREATE TABLE revoked_eks (ek_sha256 text PRIMARY KEY, revoked_at bigint NOT NULL, reason text NOT NULL)`,
    `CREATE TABLE enrolment_tokens (
      token_id      text PRIMARY KEY,
      secret_sha256 text NOT NULL,
      labels        text,
      ek_sha256     text,
      created_by    text NOT NULL,
      created_at    bigint NOT NULL,
      expires_at    bigint NOT NULL,
      used_by       text
    )`,
    `CREATE INDEX enrolment_tokens_by_end ON enrolment_tokens (expires_at)`,
    `CREATE TABLE open_enrolments (
      enrolment_id text PRIMARY KEY,
      token_id     text NOT NULL,
      expires_at   bigint NOT NULL,
      body         text NOT NULL
    )`,
    `CREATE INDEX open_enrolments_by_token ON open_enrolments (token_id)`,
    `CREATE INDEX open_enrolments_by_end ON open_enrolments (expires_at)`,

    // Nothing here is deleted with its tunnel: a tunnel may be another control's, and rows go by time.
    `CREATE TABLE attestations (
      attestation_id text COLLATE "C" PRIMARY KEY,
      tunnel_id      text NOT NULL,
      agent_id       text NOT NULL,
      opened_at      bigint NOT NULL,
      attested_at    bigint NOT NULL,
      live_until     bigint NOT NULL,
      changed_at     bigint NOT NULL,
      state          text NOT NULL CHECK (state IN ('passed', 'asked', 'failed', 'lapsed', 'ended')),
      code           text,
      attempts       bigint NOT NULL,
      deadline       bigint,
      holder         text,
      session_id     text,
      body           text NOT NULL
    )`,
    `CREATE INDEX attestations_by_agent ON attestations (tunnel_id, agent_id)`,
    `CREATE INDEX attestations_by_end ON attestations (live_until)`,
    `CREATE INDEX attestations_by_change ON attestations (changed_at)`,
    `CREATE INDEX attestations_not_held ON attestations (attested_at) WHERE holder IS NULL`,
    `CREATE TABLE attestation_deferrals (
      tunnel_id      text NOT NULL,
      agent_id       text NOT NULL,
      deferred_until bigint NOT NULL,
      spent          bigint NOT NULL,
      PRIMARY KEY (tunnel_id, agent_id)
    )`,

    // Versions are added, never changed. The newest id is the revision of all of them.
    `CREATE TABLE policies (
      id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name          text COLLATE "C" NOT NULL,
      version       bigint NOT NULL,
      body          text NOT NULL,
      applied_by    text NOT NULL,
      applied_at    bigint NOT NULL,
      overlap_until bigint NOT NULL,
      UNIQUE (name, version)
    )`,
  ],
  [
    `CREATE TABLE routes (
      kind       text NOT NULL,
      route      text NOT NULL,
      subject    text NOT NULL,
      claimed_at bigint NOT NULL,
      PRIMARY KEY (kind, route)
    )`,
    `CREATE INDEX routes_by_age ON routes (claimed_at)`,
  ],
  [
    `CREATE TABLE token_families (family text PRIMARY KEY, owner text NOT NULL, ends_at bigint NOT NULL)`,
    `CREATE INDEX token_families_by_owner ON token_families (owner)`,
    `CREATE INDEX token_families_by_end ON token_families (ends_at)`,
  ],
  [
    // When connectors and tunnelers were heard last.
    `CREATE TABLE node_presences (
      role         text NOT NULL,
      id           text COLLATE "C" NOT NULL,
      private_ip   text,
      connector_id text,
      version      text NOT NULL,
      first_seen   bigint NOT NULL,
      last_seen    bigint NOT NULL,
      PRIMARY KEY (role, id)
    )`,
    `CREATE TABLE admin_accounts (
      account_id    text PRIMARY KEY,
      name          text COLLATE "C" NOT NULL UNIQUE,
      role          text NOT NULL,
      password_hash text,
      subject       text UNIQUE,
      created_by    text NOT NULL,
      created_at    bigint NOT NULL
    )`,
    `CREATE TABLE admin_invites (
      secret_sha256 text PRIMARY KEY,
      role          text NOT NULL,
      only_first    bigint NOT NULL,
      created_by    text NOT NULL,
      expires_at    bigint NOT NULL
    )`,
    `CREATE TABLE admin_sessions (
      session_id    text COLLATE "C" PRIMARY KEY,
      secret_sha256 text NOT NULL UNIQUE,
      kind          text NOT NULL,
      account_id    text NOT NULL,
      address       text NOT NULL,
      opened_at     bigint NOT NULL,
      used_at       bigint NOT NULL,
      expires_at    bigint NOT NULL
    )`,
    `CREATE INDEX admin_sessions_by_account ON admin_sessions (account_id)`,
    // Secrets that were replaced: one that comes again was stolen, by whoever came first or second.
    `CREATE TABLE admin_spent_secrets (secret_sha256 text PRIMARY KEY, session_id text NOT NULL)`,
    `CREATE INDEX admin_spent_secrets_by_session ON admin_spent_secrets (session_id)`,
    `CREATE TABLE deliveries (
      secret_sha256 text PRIMARY KEY,
      subject       text NOT NULL,
      sealed        text NOT NULL,
      expires_at    bigint NOT NULL
    )`,
  ],
  [
    `ALTER TABLE enrolment_tokens ADD COLUMN role text`,
    `ALTER TABLE enrolment_tokens ADD COLUMN node_id text`,
    `CREATE TABLE authorities (one bigint PRIMARY KEY CHECK (one = 1), revision bigint NOT NULL, value text NOT NULL)`,
    `CREATE TABLE node_identities (
      role          text COLLATE "C" NOT NULL,
      node_id       text COLLATE "C" NOT NULL,
      key_sha256    text NOT NULL,
      previous_key  text,
      enrolled_at   bigint NOT NULL,
      renewed_at    bigint NOT NULL,
      not_after     bigint NOT NULL,
      issuer_sha256 text NOT NULL,
      PRIMARY KEY (role, node_id)
    )`,
    `CREATE INDEX node_identities_by_issuer ON node_identities (issuer_sha256, not_after)`,
    `CREATE TABLE node_certificates (
      serial        text PRIMARY KEY,
      role          text NOT NULL,
      node_id       text NOT NULL,
      issuer_sha256 text NOT NULL,
      key_sha256    text NOT NULL,
      issued_at     bigint NOT NULL,
      not_after     bigint NOT NULL
    )`,
    `CREATE INDEX node_certificates_by_end ON node_certificates (not_after)`,
    `CREATE TABLE revoked_identities (
      kind       text NOT NULL CHECK (kind IN ('serial', 'key', 'id')),
      value      text NOT NULL,
      severity   text NOT NULL CHECK (severity IN ('drain', 'cut')),
      revoked_at bigint NOT NULL,
      revoked_by text NOT NULL,
      reason     text NOT NULL,
      PRIMARY KEY (kind, value)
    )`,
  ],
  [
    `CREATE TABLE edges (
      instance_id text COLLATE "C" PRIMARY KEY,
      edge_id     text COLLATE "C" NOT NULL,
      edge_url    text NOT NULL,
      transport   text NOT NULL,
      region      text NOT NULL,
      priority    bigint NOT NULL,
      public_key  text NOT NULL,
      seen_at     bigint NOT NULL
    )`,
    `CREATE TABLE served_tunnels (
      tunnel_id   text NOT NULL,
      instance_id text COLLATE "C" NOT NULL,
      agents      bigint NOT NULL,
      tiers       text NOT NULL,
      PRIMARY KEY (tunnel_id, instance_id)
    )`,
    `CREATE INDEX served_tunnels_by_edge ON served_tunnels (instance_id)`,
  ],
  [
    `CREATE TABLE pending_pairs (
      secret_sha256    text PRIMARY KEY,
      tenant           text NOT NULL,
      channel_id       text NOT NULL,
      owner            text NOT NULL,
      tunnel_id        text NOT NULL,
      sealed_key       text NOT NULL,
      client_key       text,
      init_expire_at   bigint NOT NULL,
      client_token     text NOT NULL,
      server_token     text NOT NULL,
      tokens_expire_at bigint NOT NULL,
      reissues         bigint NOT NULL,
      UNIQUE (tenant, channel_id)
    )`,
    `CREATE INDEX pending_pairs_by_owner ON pending_pairs (owner)`,
    `CREATE INDEX pending_pairs_by_end ON pending_pairs (init_expire_at)`,
  ],
  [
    `ALTER TABLE node_identities ADD COLUMN labels text NOT NULL DEFAULT '[]'`,
    `CREATE TABLE node_rules (
      connector   text COLLATE "C" NOT NULL,
      tunneler    text COLLATE "C" NOT NULL,
      added_by    text NOT NULL,
      added_at    bigint NOT NULL,
      PRIMARY KEY (connector, tunneler)
    )`,
  ],
  [
    `CREATE TABLE admin_totp (
      account_id text COLLATE "C" PRIMARY KEY,
      secret     text NOT NULL,
      last_step  bigint NOT NULL,
      created_at bigint NOT NULL
    )`,
  ],
];

/** The layout that this program writes. */
const layoutVersion = STEPS.length;

/** Brings the schema to {@link layoutVersion}, inside a transaction. Throws `store_too_new`. */
export async function migratePostgres(sql: Sql): Promise<void> {
  await sql.run(
    "CREATE TABLE IF NOT EXISTS layout (one bigint PRIMARY KEY CHECK (one = 1), version bigint NOT NULL)",
  );
  const version = await sql.number("SELECT version FROM layout");
  if (version > layoutVersion) {
    throw new PosternError(
      "store_too_new",
      `Cannot open store: it has layout ${version}, newest known is ${layoutVersion}`,
    );
  }
  if (version === layoutVersion) return;
  for (const step of STEPS.slice(version)) {
    for (const statement of step) await sql.run(statement);
  }
  await sql.run(
    "INSERT INTO layout VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET version = excluded.version",
    layoutVersion,
  );
}
