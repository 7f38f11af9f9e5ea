/** What may happen once: token ids that are spent, challenges that are answered. Both tables are bounded. */
import { PosternError } from "../errors/mod.ts";
import type { ChallengeRecord, ChallengeStore, SingleUseStore } from "../ports/mod.ts";
import type { Sql, SqlDatabase } from "./sql.ts";

export interface OnceLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Clock difference by which spent ids outlive their token. */
  readonly clockSkewMs: number;
  /** Most ids that are remembered of one kind; about 100 bytes each. */
  readonly maxRemembered: number;
  /** Most open challenges; about 2 KiB each. */
  readonly maxChallenges: number;
  /** Most of one owner: a part of them, so that nobody keeps all others from proving themselves alone. */
  readonly maxChallengesPerOwner: number;
}

export class SqlOnce implements SingleUseStore, ChallengeStore {
  readonly #database: SqlDatabase;
  readonly #limits: OnceLimits;

  constructor(database: SqlDatabase, limits: OnceLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async consumeOnce(kind: string, id: string, expiresAtMs: number): Promise<boolean> {
    return await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM single_use WHERE forget_at <= ?", this.#limits.wall());
      if (await knows(sql, kind, id)) return false;
      const remembered = await sql.number(
        "SELECT remembered FROM single_use_counts WHERE kind = ?",
        kind,
      );
      if (remembered >= this.#limits.maxRemembered) {
        throw new PosternError(
          "replay_cache_full",
          `Cannot spend token: ${remembered} are remembered already`,
          {
            detail: { kind },
          },
        );
      }
      await sql.run(
        "INSERT INTO single_use VALUES (?, ?, ?)",
        kind,
        id,
        expiresAtMs + this.#limits.clockSkewMs,
      );
      return true;
    });
  }

  async putChallenge(challenge: ChallengeRecord, maxPerSubject: number): Promise<void> {
    await this.#database.transaction(async (sql) => {
      // Kept for the skew as well, so that a late answer is told "expired" and not "unknown".
      const forgetBefore = this.#limits.wall() - this.#limits.clockSkewMs;
      await sql.run("DELETE FROM challenges WHERE expires_at <= ?", forgetBefore);
      const open = await sql.number("SELECT count(*) FROM challenges");
      if (open >= this.#limits.maxChallenges) {
        throw new PosternError("challenges_full", `Cannot open challenge: ${open} are open already`);
      }
      const { challengeId, expiresAtMs, subject, owner, body } = challenge;
      const ofSubject = await sql.number("SELECT count(*) FROM challenges WHERE subject = ?", subject);
      if (ofSubject >= maxPerSubject) {
        throw new PosternError(
          "challenge_limit_reached",
          `Cannot open challenge: ${ofSubject} of this token are open already`,
        );
      }
      const ofOwner = await sql.number("SELECT count(*) FROM challenges WHERE owner = ?", owner);
      if (ofOwner >= this.#limits.maxChallengesPerOwner) {
        throw new PosternError(
          "challenge_limit_reached",
          `Cannot open challenge: ${ofOwner} of this owner are open already`,
        );
      }
      await sql.run(
        "INSERT INTO challenges (challenge_id, expires_at, subject, owner, body) VALUES (?, ?, ?, ?, ?)",
        challengeId,
        expiresAtMs,
        subject,
        owner,
        body,
      );
    });
  }

  async takeChallenge(challengeId: string): Promise<ChallengeRecord | undefined> {
    const row = await this.#database.get(
      "DELETE FROM challenges WHERE challenge_id = ? RETURNING expires_at, subject, owner, body",
      challengeId,
    );
    return row &&
      {
        challengeId,
        expiresAtMs: Number(row.expires_at),
        subject: String(row.subject),
        owner: String(row.owner),
        body: String(row.body),
      };
  }
}

async function knows(sql: Sql, kind: string, id: string): Promise<boolean> {
  return await sql.number("SELECT count(*) FROM single_use WHERE kind = ? AND id = ?", kind, id) > 0;
}
