/** Enrolments that have begun. Bounded, for one token and for all. */
import { PosternError } from "../errors/mod.ts";
import type { MachineStore, OpenEnrolment } from "../ports/mod.ts";
import type { SqlDatabase } from "./sql.ts";

export type OpenEnrolments = Pick<MachineStore, "putOpenEnrolment" | "takeOpenEnrolment">;

export interface OpenEnrolmentLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Clock difference by which one outlives its end, so that who comes late is told so. */
  readonly clockSkewMs: number;
  /** Most that are open; about 8 KiB each. */
  readonly maxOpenEnrolments: number;
}

export class SqlOpenEnrolments implements OpenEnrolments {
  readonly #database: SqlDatabase;
  readonly #limits: OpenEnrolmentLimits;

  constructor(database: SqlDatabase, limits: OpenEnrolmentLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async putOpenEnrolment(enrolment: OpenEnrolment, maxPerToken: number): Promise<void> {
    const { enrolmentId, tokenId, expiresAtMs, body } = enrolment;
    const { wall, clockSkewMs, maxOpenEnrolments } = this.#limits;
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM open_enrolments WHERE expires_at <= ?", wall() - clockSkewMs);
      const ofToken = await sql.number(
        "SELECT count(*) FROM open_enrolments WHERE token_id = ? AND expires_at > ?",
        tokenId,
        wall(),
      );
      if (ofToken >= maxPerToken) {
        throw new PosternError(
          "enrollment_limit_reached",
          `Cannot begin enrolment: ${ofToken} of this token are open already`,
        );
      }
      const open = await sql.number("SELECT count(*) FROM open_enrolments WHERE expires_at > ?", wall());
      if (open >= maxOpenEnrolments) {
        throw new PosternError("enrollments_full", `Cannot begin enrolment: ${open} are open already`);
      }
      await sql.run(
        "INSERT INTO open_enrolments VALUES (?, ?, ?, ?)",
        enrolmentId,
        tokenId,
        expiresAtMs,
        body,
      );
    });
  }

  async takeOpenEnrolment(enrolmentId: string): Promise<OpenEnrolment | undefined> {
    const row = await this.#database.get(
      "DELETE FROM open_enrolments WHERE enrolment_id = ? RETURNING token_id, expires_at, body",
      enrolmentId,
    );
    return row && {
      enrolmentId,
      tokenId: String(row.token_id),
      expiresAtMs: Number(row.expires_at),
      body: String(row.body),
    };
  }
}
