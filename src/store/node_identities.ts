/** Nodes, their certificates and authorities, and what was taken back. */
import { PosternError } from "../errors/mod.ts";
import type {
  IdentityQuery,
  IdentityRecord,
  IdentityStore,
  NodeCertificate,
  NodeEnrolled,
  Revised,
  RevokedIdentityRecord,
} from "../ports/mod.ts";
import { tokenOf } from "./machines.ts";
import { countNodeAccess } from "./node_access.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

/** Most nodes that {@link SqlNodeIdentities.nodes} returns at once. */
const maxNodePage = 1_000;

/** Setting that counts revocations. */
const revocationCounter = "store.identity_revocations";

export interface NodeIdentityLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Most that are remembered: all of them are in every list. */
  readonly maxRevokedIdentities: number;
}

export class SqlNodeIdentities implements IdentityStore {
  readonly #database: SqlDatabase;
  readonly #limits: NodeIdentityLimits;

  constructor(database: SqlDatabase, limits: NodeIdentityLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async loadAuthorities(): Promise<Revised<string> | undefined> {
    const row = await this.#database.get("SELECT revision, value FROM authorities");
    return row && { revision: Number(row.revision), value: String(row.value) };
  }

  async saveAuthorities(value: string, revision: number): Promise<boolean> {
    const changed = revision === 0
      ? await this.#database.run(
        "INSERT INTO authorities VALUES (1, 1, ?) ON CONFLICT (one) DO NOTHING",
        value,
      )
      : await this.#database.run(
        "UPDATE authorities SET revision = revision + 1, value = ? WHERE revision = ?",
        value,
        revision,
      );
    return changed === 1;
  }

  async enrollNode(tokenId: string, certificate: NodeCertificate, maxNodes: number): Promise<NodeEnrolled> {
    return await this.#database.transaction(async (sql) => {
      const { role, nodeId, keySha256, issuedAtMs, notAfterMs, issuerSha256 } = certificate;
      const user = `key:${keySha256}`;
      const token = await tokenOf(sql, tokenId);
      const isRight = token?.node?.role === role && token.node.id === nodeId &&
        this.#limits.wall() < token.expiresAtMs && (token.usedBy ?? user) === user;
      if (!isRight) return "token_refused";
      const known = await nodeOf(sql, role, nodeId);
      if (known === undefined && await sql.number("SELECT count(*) FROM node_identities") >= maxNodes) {
        return "too_many";
      }
      const labels = JSON.stringify(token.labels ?? known?.labels ?? []);
      await sql.run(
        `INSERT INTO node_identities VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?) ON CONFLICT (role, node_id) DO UPDATE SET
         key_sha256 = excluded.key_sha256, previous_key = NULL, enrolled_at = excluded.enrolled_at, labels = excluded.labels,
         renewed_at = excluded.renewed_at, not_after = excluded.not_after, issuer_sha256 = excluded.issuer_sha256`,
        role,
        nodeId,
        keySha256,
        issuedAtMs,
        issuedAtMs,
        notAfterMs,
        issuerSha256,
        labels,
      );
      if (labels !== JSON.stringify(known?.labels ?? [])) await countNodeAccess(sql);
      await insert(sql, certificate);
      await sql.run("UPDATE enrolment_tokens SET used_by = ? WHERE token_id = ?", user, tokenId);
      return "enrolled";
    });
  }

  async renewNode(certificate: NodeCertificate, provenKeySha256: string): Promise<boolean> {
    return await this.#database.transaction(async (sql) => {
      const { role, nodeId, keySha256, issuedAtMs, notAfterMs, issuerSha256 } = certificate;
      const changed = await sql.run(
        `UPDATE node_identities SET key_sha256 = ?, previous_key = ?, renewed_at = ?, not_after = ?, issuer_sha256 = ?
         WHERE role = ? AND node_id = ? AND (key_sha256 = ? OR previous_key = ?)`,
        keySha256,
        provenKeySha256,
        issuedAtMs,
        notAfterMs,
        issuerSha256,
        role,
        nodeId,
        provenKeySha256,
        provenKeySha256,
      );
      if (changed === 0) return false;
      await insert(sql, certificate);
      return true;
    });
  }

  async confirmNodeKey(role: string, nodeId: string, keySha256: string): Promise<void> {
    await this.#database.run(
      `UPDATE node_identities SET previous_key = NULL
       WHERE role = ? AND node_id = ? AND key_sha256 = ? AND previous_key IS NOT NULL`,
      role,
      nodeId,
      keySha256,
    );
  }

  async nodeIdentity(role: string, nodeId: string): Promise<IdentityRecord | undefined> {
    return await nodeOf(this.#database, role, nodeId);
  }

  async nodeIdentities({ role, limit, after }: IdentityQuery): Promise<IdentityRecord[]> {
    const rows = await this.#database.all(
      `SELECT * FROM node_identities WHERE (role > ? OR (role = ? AND node_id > ?)) AND role LIKE ?
       ORDER BY role, node_id LIMIT ?`,
      after?.role ?? "",
      after?.role ?? "",
      after?.nodeId ?? "",
      role ?? "%",
      Math.min(limit, maxNodePage),
    );
    return rows.map(knownNode);
  }

  async nodeCertificate(serial: string): Promise<NodeCertificate | undefined> {
    const row = await this.#database.get("SELECT * FROM node_certificates WHERE serial = ?", serial);
    return row && {
      serial,
      role: String(row.role),
      nodeId: String(row.node_id),
      issuerSha256: String(row.issuer_sha256),
      keySha256: String(row.key_sha256),
      issuedAtMs: Number(row.issued_at),
      notAfterMs: Number(row.not_after),
    };
  }

  async liveCertificates(issuerSha256: string, nowMs: number): Promise<number> {
    return await this.#database.number(
      "SELECT count(*) FROM node_identities WHERE issuer_sha256 = ? AND not_after > ?",
      issuerSha256,
      nowMs,
    );
  }

  async forgetCertificates(endedBeforeMs: number): Promise<number> {
    return await this.#database.run("DELETE FROM node_certificates WHERE not_after < ?", endedBeforeMs);
  }

  async revokeIdentity(revoked: RevokedIdentityRecord): Promise<boolean> {
    const { kind, value, severity, atMs, by, reason } = revoked;
    return await this.#database.transaction(async (sql) => {
      const known = await sql.get(
        "SELECT severity FROM revoked_identities WHERE kind = ? AND value = ?",
        kind,
        value,
      );
      if (known !== undefined && (known.severity === "cut" || severity === "drain")) return false;
      const kept = await sql.number("SELECT count(*) FROM revoked_identities");
      if (known === undefined && kept >= this.#limits.maxRevokedIdentities) {
        throw new PosternError("revocations_full", `Cannot revoke identity: ${kept} are remembered already`);
      }
      await sql.run(
        `INSERT INTO revoked_identities VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, value) DO UPDATE SET
         severity = excluded.severity`,
        kind,
        value,
        severity,
        atMs,
        by,
        reason,
      );
      await sql.run(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        revocationCounter,
        String(await revision(sql) + 1),
      );
      return true;
    });
  }

  async revokedIdentities(): Promise<Revised<RevokedIdentityRecord[]>> {
    return await this.#database.transaction(async (sql) => {
      const rows = await sql.all("SELECT * FROM revoked_identities ORDER BY kind, value");
      return { revision: await revision(sql), value: rows.map(knownRevoked) };
    });
  }
}

async function insert(sql: Sql, certificate: NodeCertificate): Promise<void> {
  await sql.run(
    "INSERT INTO node_certificates VALUES (?, ?, ?, ?, ?, ?, ?)",
    certificate.serial,
    certificate.role,
    certificate.nodeId,
    certificate.issuerSha256,
    certificate.keySha256,
    certificate.issuedAtMs,
    certificate.notAfterMs,
  );
}

async function nodeOf(sql: Sql, role: string, nodeId: string): Promise<IdentityRecord | undefined> {
  const row = await sql.get("SELECT * FROM node_identities WHERE role = ? AND node_id = ?", role, nodeId);
  return row && knownNode(row);
}

async function revision(sql: Sql): Promise<number> {
  const row = await sql.get("SELECT value FROM settings WHERE key = ?", revocationCounter);
  return row === undefined ? 0 : Number(row.value);
}

function knownNode(row: Row): IdentityRecord {
  return {
    role: String(row.role),
    nodeId: String(row.node_id),
    keySha256: String(row.key_sha256),
    labels: JSON.parse(String(row.labels)),
    ...(row.previous_key === null ? {} : { previousKeySha256: String(row.previous_key) }),
    enrolledAtMs: Number(row.enrolled_at),
    renewedAtMs: Number(row.renewed_at),
    notAfterMs: Number(row.not_after),
  };
}

function knownRevoked(row: Row): RevokedIdentityRecord {
  return {
    kind: String(row.kind) as RevokedIdentityRecord["kind"],
    value: String(row.value),
    severity: String(row.severity) as RevokedIdentityRecord["severity"],
    atMs: Number(row.revoked_at),
    by: String(row.revoked_by),
    reason: String(row.reason),
  };
}
