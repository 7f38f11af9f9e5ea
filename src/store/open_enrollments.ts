/** Enrollments that have begun. Bounded, for one token and for all. */
import { PosternError } from "../errors/mod.ts";
import type { MachineStore, OpenEnrollment } from "../ports/mod.ts";
import type { SqlDatabase } from "./sql.ts";

export type OpenEnrollments = Pick<MachineStore, "putOpenEnrollment" | "takeOpenEnrollment">;

export interface OpenEnrollmentLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Clock difference by which one outlives its end, so that who comes late is told so. */
  readonly clockSkewMs: number;
  /** Most that are open; about 8 KiB each. */
  readonly maxOpenEnrollments: number;
}

export class SqlOpenEnrollments implements OpenEnrollments {
  readonly #database: SqlDatabase;
  readonly #limits: OpenEnrollmentLimits;

  constructor(database: SqlDatabase, limits: OpenEnrollmentLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async putOpenEnrollment(enrollment: OpenEnrollment, maxPerToken: number): Promise<void> {
    const { enrollmentId, tokenId, expiresAtMs, body } = enrollment;
    const { wall, clockSkewMs, maxOpenEnrollments } = this.#limits;
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
          `Cannot begin enrollment: ${ofToken} of this token are open already`,
        );
      }
      const open = await sql.number("SELECT count(*) FROM open_enrolments WHERE expires_at > ?", wall());
      if (open >= maxOpenEnrollments) {
        throw new PosternError("enrollments_full", `Cannot begin enrollment: ${open} are open already`);
      }
      await sql.run(
        "INSERT INTO open_enrolments VALUES (?, ?, ?, ?)",
        enrollmentId,
        tokenId,
        expiresAtMs,
        body,
      );
    });
  }

  async takeOpenEnrollment(enrollmentId: string): Promise<OpenEnrollment | undefined> {
    const row = await this.#database.get(
      "DELETE FROM open_enrolments WHERE enrolment_id = ? RETURNING token_id, expires_at, body",
      enrollmentId,
    );
    return row && {
      enrollmentId,
      tokenId: String(row.token_id),
      expiresAtMs: Number(row.expires_at),
      body: String(row.body),
    };
  }
}
