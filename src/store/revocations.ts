/** What was revoked before its time. Bounded, for one owner and for all; what is out of date goes first. */
import { PosternError } from "../errors/mod.ts";
import type { Revocation, RevocationQuery, RevocationStore, RevokedThing } from "../ports/mod.ts";
import type { Row, SqlDatabase } from "./sql.ts";

export interface RevocationLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Clock difference by which a revocation outlives what it concerns. */
  readonly clockSkewMs: number;
  /** Most revocations that are remembered; about 150 bytes each. */
  readonly maxRevocations: number;
  /** Most single tokens of one owner among them: nobody takes the room of all others by giving tokens back. */
  readonly maxRevokedTokensPerOwner: number;
}

/** Most revocations that are returned at once. */
const maxRevocationPage = 1_000;
/** Before all others. */
const first = { kind: "certificate", id: "" } as const;

export class SqlRevocations implements RevocationStore {
  readonly #database: SqlDatabase;
  readonly #limits: RevocationLimits;

  constructor(database: SqlDatabase, limits: RevocationLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async revoke(revocation: Revocation): Promise<void> {
    const { kind, id, owner, revokedAtMs, forgetAtMs } = revocation;
    const { wall, clockSkewMs, maxRevocations, maxRevokedTokensPerOwner } = this.#limits;
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM revocations WHERE forget_at <= ?", wall());
      const all = await sql.number("SELECT count(*) FROM revocations");
      const tokens = await sql.number(
        "SELECT count(*) FROM revocations WHERE owner = ? AND kind = 'token'",
        owner,
      );
      const isKnown = await sql.number(
        "SELECT count(*) FROM revocations WHERE kind = ? AND id = ?",
        kind,
        id,
      );
      const isFull = all >= maxRevocations || (kind === "token" && tokens >= maxRevokedTokensPerOwner);
      if (isKnown === 0 && isFull) {
        throw new PosternError("revocations_full", "Cannot revoke token: no more can be remembered now", {
          detail: { kind, remembered: kind === "token" ? tokens : all },
        });
      }
      await sql.run(
        `INSERT INTO revocations VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET
         revoked_at = CASE WHEN excluded.revoked_at > revocations.revoked_at
           THEN excluded.revoked_at ELSE revocations.revoked_at END,
         forget_at = CASE WHEN excluded.forget_at > revocations.forget_at
           THEN excluded.forget_at ELSE revocations.forget_at END`,
        kind,
        id,
        owner,
        revokedAtMs,
        forgetAtMs + clockSkewMs,
      );
    });
  }

  async isRevoked({ jti, family, owner, startedAtMs }: RevocationQuery): Promise<boolean> {
    const found = await this.#database.number(
      `SELECT count(*) FROM revocations WHERE (kind = 'token' AND id = ?) OR (kind = 'family' AND id = ?)
       OR (kind = 'owner' AND id = ? AND revoked_at >= ?)`,
      jti ?? "",
      family ?? "",
      owner,
      startedAtMs,
    );
    return found > 0;
  }

  async revocations(
    limit: number,
    after: Pick<RevokedThing, "kind" | "id"> = first,
  ): Promise<RevokedThing[]> {
    const rows = await this.#database.all(
      everyKind,
      this.#limits.wall(),
      after.kind,
      after.kind,
      after.id,
      Math.min(limit, maxRevocationPage),
    );
    return rows.map(thingOf);
  }
}

/** From the tables that decide, not from a copy. */
const everyKind = `SELECT kind, id, owner, revoked_at, forget_at, reason, severity, revoked_by FROM (
    SELECT kind, id, owner, revoked_at, forget_at, NULL AS reason, NULL AS severity, NULL AS revoked_by
      FROM revocations WHERE forget_at > ?
    UNION ALL SELECT 'ek', ek_sha256, NULL, revoked_at, NULL, reason, NULL, NULL FROM revoked_eks
    UNION ALL SELECT CASE kind WHEN 'id' THEN 'node' WHEN 'serial' THEN 'certificate' ELSE 'key' END,
      value, NULL, revoked_at, NULL, reason, severity, revoked_by FROM revoked_identities
  ) AS everything WHERE kind > ? OR (kind = ? AND id > ?) ORDER BY kind, id LIMIT ?`;

function thingOf(row: Row): RevokedThing {
  const { kind, id, owner, revoked_at, forget_at, reason, severity, revoked_by } = row;
  return {
    kind: kind as RevokedThing["kind"],
    id: String(id),
    revokedAtMs: Number(revoked_at),
    ...(owner === null ? {} : { owner: String(owner) }),
    ...(forget_at === null ? {} : { forgetAtMs: Number(forget_at) }),
    ...(reason === null ? {} : { reason: String(reason) }),
    ...(severity === null ? {} : { severity: severity as RevokedThing["severity"] }),
    ...(revoked_by === null ? {} : { by: String(revoked_by) }),
  };
}
