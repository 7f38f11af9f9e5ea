// deno-lint-ignore-file require-await -- the port is asynchronous: what throws here must reject there
/** What was revoked before its time. Bounded, for one owner and for all; what is out of date goes first. */
import { PosternError } from "../errors/mod.ts";
import type { Revocation, RevocationQuery, RevocationStore } from "../ports/mod.ts";
import type { Database } from "./database.ts";

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

export class SqliteRevocations implements RevocationStore {
  readonly #database: Database;
  readonly #limits: RevocationLimits;

  constructor(database: Database, limits: RevocationLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async revoke(revocation: Revocation): Promise<void> {
    const { kind, id, owner, revokedAtMs, forgetAtMs } = revocation;
    const { wall, clockSkewMs, maxRevocations, maxRevokedTokensPerOwner } = this.#limits;
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM revocations WHERE forget_at <= ?", wall());
      const all = this.#database.number("SELECT count(*) FROM revocations");
      const tokens = this.#database.number(
        "SELECT count(*) FROM revocations WHERE owner = ? AND kind = 'token'",
        owner,
      );
      const isKnown = this.#database.number(
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
      this.#database.run(
        `INSERT INTO revocations VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         revoked_at = max(revoked_at, excluded.revoked_at), forget_at = max(forget_at, excluded.forget_at)`,
        kind,
        id,
        owner,
        revokedAtMs,
        forgetAtMs + clockSkewMs,
      );
    });
  }

  async isRevoked({ jti, family, owner, startedAtMs }: RevocationQuery): Promise<boolean> {
    const found = this.#database.number(
      `SELECT count(*) FROM revocations WHERE (kind = 'token' AND id = ?) OR (kind = 'family' AND id = ?)
       OR (kind = 'owner' AND id = ? AND revoked_at >= ?)`,
      jti ?? "",
      family ?? "",
      owner,
      startedAtMs,
    );
    return found > 0;
  }
}
