/** Machines that are known by their TPM, the tokens that let them in, and the keys that never may. */
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type {
  EnrollmentToken,
  MachineEnrolled,
  MachineEnrollment,
  MachineKey,
  MachineRecord,
  MachineRevocation,
  MachineStore,
} from "../ports/mod.ts";
import type { OpenEnrollments } from "./open_enrollments.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

/** Most machines that {@link SqlMachines.machines} returns at once. */
const maxMachinePage = 1_000;

/** How long a token is remembered after its end, so that whoever comes with it late can be told why. */
const explainEndedMs = 86_400_000;

/** Setting that counts revocations. */
const revocationCounter = "store.machine_revocations";

const selectMachines =
  `SELECT agent_id, machines.ek_sha256, ek_certificate, ek_intermediates, ak_public, ak_name, labels, enrolled_at,
   continuity, continuity_revision, revoked_at, reason
   FROM machines LEFT JOIN revoked_eks ON revoked_eks.ek_sha256 = machines.ek_sha256`;

export interface MachineLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Most tokens that are remembered; about 300 bytes each. */
  readonly maxEnrollmentTokens: number;
  /** Most revoked keys; about 150 bytes each. */
  readonly maxRevokedEks: number;
}

export class SqlMachines implements Omit<MachineStore, keyof OpenEnrollments> {
  readonly #database: SqlDatabase;
  readonly #limits: MachineLimits;

  constructor(database: SqlDatabase, limits: MachineLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async putEnrollmentToken(token: Omit<EnrollmentToken, "usedBy">): Promise<void> {
    await this.#database.transaction(async (sql) => {
      const kept = await this.#keptTokens(sql);
      if (kept >= this.#limits.maxEnrollmentTokens) {
        throw new PosternError(
          "enrollment_tokens_full",
          `Cannot issue enrollment token: ${kept} are kept already`,
        );
      }
      await sql.run(
        `INSERT INTO enrolment_tokens
         (token_id, secret_sha256, labels, ek_sha256, created_by, created_at, expires_at, role, node_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        token.tokenId,
        token.secretSha256,
        token.labels === undefined ? null : JSON.stringify(inOrder(token.labels)),
        token.ekSha256 ?? null,
        token.createdBy,
        token.createdAtMs,
        token.expiresAtMs,
        token.node?.role ?? null,
        token.node?.id ?? null,
      );
    });
  }

  async enrollmentToken(tokenId: string): Promise<EnrollmentToken | undefined> {
    return await tokenOf(this.#database, tokenId);
  }

  async enrollMachine(enrollment: MachineEnrollment): Promise<MachineEnrolled> {
    return await this.#database.transaction((sql) => this.#enroll(sql, enrollment));
  }

  async machine(agentId: string): Promise<MachineRecord | undefined> {
    return await machineOf(this.#database, agentId);
  }

  async machines(limit: number, afterAgentId = ""): Promise<MachineRecord[]> {
    const rows = await this.#database.all(
      `${selectMachines} WHERE agent_id > ? ORDER BY agent_id LIMIT ?`,
      afterAgentId,
      Math.min(limit, maxMachinePage),
    );
    return rows.map(knownMachine);
  }

  async countMachines() {
    const all = await this.#database.number("SELECT count(*) FROM machines");
    const revoked = await this.#database.number(
      "SELECT count(*) FROM machines WHERE ek_sha256 IN (SELECT ek_sha256 FROM revoked_eks)",
    );
    return { active: all - revoked, revoked };
  }

  async revokeMachine(key: MachineKey, revocation: MachineRevocation) {
    return await this.#database.transaction(async (sql) => {
      const ekSha256 = await ekOf(sql, key);
      if (ekSha256 === undefined) return "unknown";
      if (await isRevoked(sql, ekSha256)) return "already";
      const revoked = await sql.number("SELECT count(*) FROM revoked_eks");
      if (revoked >= this.#limits.maxRevokedEks) {
        throw new PosternError("machine_limit_reached", `Cannot revoke machine: ${revoked} are remembered`);
      }
      await sql.run(
        "INSERT INTO revoked_eks VALUES (?, ?, ?)",
        ekSha256,
        revocation.atMs,
        revocation.reason,
      );
      await sql.run(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        revocationCounter,
        String(await revocations(sql) + 1),
      );
      return "revoked";
    });
  }

  async restoreMachine(key: MachineKey) {
    return await this.#database.transaction(async (sql) => {
      const ekSha256 = await ekOf(sql, key);
      if (ekSha256 === undefined) return "unknown";
      if (await sql.run("DELETE FROM revoked_eks WHERE ek_sha256 = ?", ekSha256) === 1) {
        await sql.run(
          "UPDATE machines SET continuity = NULL, continuity_revision = 0 WHERE ek_sha256 = ?",
          ekSha256,
        );
        return "restored";
      }
      const known = await sql.number("SELECT count(*) FROM machines WHERE ek_sha256 = ?", ekSha256);
      return known === 0 ? "unknown" : "active";
    });
  }

  async deleteMachine(agentId: string) {
    return await this.#database.transaction(async (sql) => {
      const machine = await machineOf(sql, agentId);
      if (machine === undefined) return "unknown";
      if (machine.state === "active") return "active";
      await sql.run("DELETE FROM machines WHERE agent_id = ?", agentId);
      return "deleted";
    });
  }

  async isEkRevoked(ekSha256: string): Promise<boolean> {
    return await isRevoked(this.#database, ekSha256);
  }

  async machineRevocations(): Promise<number> {
    return await revocations(this.#database);
  }

  async advanceContinuity(agentId: string, value: string, revision: number): Promise<boolean> {
    const changed = await this.#database.run(
      `UPDATE machines SET continuity = ?, continuity_revision = continuity_revision + 1
       WHERE agent_id = ? AND continuity_revision = ? AND ek_sha256 NOT IN (SELECT ek_sha256 FROM revoked_eks)`,
      value,
      agentId,
      revision,
    );
    return changed === 1;
  }

  async #enroll(sql: Sql, enrollment: MachineEnrollment): Promise<MachineEnrolled> {
    const token = await tokenOf(sql, enrollment.tokenId);
    if (token === undefined || !mayUse(token, enrollment, this.#limits.wall())) {
      return { outcome: "token_refused" };
    }
    if (await isRevoked(sql, enrollment.ekSha256)) return { outcome: "revoked" };
    const known = await machineOf(sql, enrollment.agentId);
    if (known === undefined ? await isKeyTaken(sql, enrollment) : !isSameMachine(known, enrollment)) {
      return { outcome: "other_key" };
    }
    if (known === undefined) {
      // A token that has let a machine in cannot let in another, were its row gone.
      if (token.usedBy !== undefined) return { outcome: "token_refused" };
      const machines = await sql.number("SELECT count(*) FROM machines");
      if (machines >= enrollment.maxMachines) return { outcome: "too_many" };
      await insert(sql, enrollment, token.labels ?? []);
    } else if (token.labels !== undefined && token.usedBy === undefined) {
      await sql.run(
        "UPDATE machines SET labels = ? WHERE agent_id = ?",
        JSON.stringify(token.labels),
        enrollment.agentId,
      );
    }
    await sql.run(
      "UPDATE enrolment_tokens SET used_by = ? WHERE token_id = ?",
      enrollment.agentId,
      enrollment.tokenId,
    );
    const machine = await machineOf(sql, enrollment.agentId) as MachineRecord;
    return { outcome: known === undefined ? "enrolled" : "renewed", machine };
  }

  /** Forgets tokens that are long over, and all that are over when there is no room else. Returns how many are left. */
  async #keptTokens(sql: Sql): Promise<number> {
    const nowMs = this.#limits.wall();
    let kept = 0;
    for (const endedBefore of [nowMs - explainEndedMs, nowMs]) {
      await sql.run("DELETE FROM enrolment_tokens WHERE expires_at <= ?", endedBefore);
      kept = await sql.number("SELECT count(*) FROM enrolment_tokens");
      if (kept < this.#limits.maxEnrollmentTokens) break;
    }
    return kept;
  }
}

async function insert(sql: Sql, enrollment: MachineEnrollment, labels: readonly string[]): Promise<void> {
  await sql.run(
    `INSERT INTO machines
     (agent_id, ek_sha256, ek_certificate, ek_intermediates, ak_public, ak_name, labels, enrolled_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    enrollment.agentId,
    enrollment.ekSha256,
    toBase64Url(enrollment.ekCertificate),
    JSON.stringify(enrollment.ekIntermediates.map(toBase64Url)),
    toBase64Url(enrollment.akPublic),
    toBase64Url(enrollment.akName),
    JSON.stringify(labels),
    enrollment.enrolledAtMs,
  );
}

/** Whether another agent id has the EK, or another EK has the AK: neither happens by chance. */
async function isKeyTaken(sql: Sql, { ekSha256, akName }: MachineEnrollment): Promise<boolean> {
  const taken = await sql.number(
    "SELECT count(*) FROM machines WHERE ek_sha256 = ? OR ak_name = ?",
    ekSha256,
    toBase64Url(akName),
  );
  return taken > 0;
}

async function machineOf(sql: Sql, agentId: string): Promise<MachineRecord | undefined> {
  const row = await sql.get(`${selectMachines} WHERE agent_id = ?`, agentId);
  return row && knownMachine(row);
}

/** A token by its public id. */
export async function tokenOf(sql: Sql, tokenId: string): Promise<EnrollmentToken | undefined> {
  const row = await sql.get("SELECT * FROM enrolment_tokens WHERE token_id = ?", tokenId);
  return row && knownToken(row);
}

async function ekOf(sql: Sql, key: MachineKey): Promise<string | undefined> {
  if ("ekSha256" in key) return key.ekSha256;
  return (await machineOf(sql, key.agentId))?.ekSha256;
}

async function isRevoked(sql: Sql, ekSha256: string): Promise<boolean> {
  return await sql.number("SELECT count(*) FROM revoked_eks WHERE ek_sha256 = ?", ekSha256) > 0;
}

function mayUse(token: EnrollmentToken, { agentId, ekSha256 }: MachineEnrollment, nowMs: number): boolean {
  return token.node === undefined && nowMs < token.expiresAtMs && (token.ekSha256 ?? ekSha256) === ekSha256 &&
    (token.usedBy ?? agentId) === agentId;
}

function isSameMachine(known: MachineRecord, { ekSha256, akName, akPublic }: MachineEnrollment): boolean {
  return known.ekSha256 === ekSha256 && toBase64Url(known.akName) === toBase64Url(akName) &&
    toBase64Url(known.akPublic) === toBase64Url(akPublic);
}

function inOrder(labels: readonly string[]): string[] {
  return [...new Set(labels)].sort();
}

function knownMachine(row: Row): MachineRecord {
  const intermediates = JSON.parse(String(row.ek_intermediates)) as string[];
  return {
    agentId: String(row.agent_id),
    ekSha256: String(row.ek_sha256),
    ekCertificate: fromBase64Url(String(row.ek_certificate)),
    ekIntermediates: intermediates.map(fromBase64Url),
    akPublic: fromBase64Url(String(row.ak_public)),
    akName: fromBase64Url(String(row.ak_name)),
    labels: JSON.parse(String(row.labels)) as string[],
    state: row.revoked_at === null ? "active" : "revoked",
    enrolledAtMs: Number(row.enrolled_at),
    ...(row.revoked_at === null
      ? {}
      : { revoked: { atMs: Number(row.revoked_at), reason: String(row.reason) } }),
    ...(row.continuity === null
      ? {}
      : { continuity: { revision: Number(row.continuity_revision), value: String(row.continuity) } }),
  };
}

function knownToken(row: Row): EnrollmentToken {
  return {
    tokenId: String(row.token_id),
    secretSha256: String(row.secret_sha256),
    ...(row.labels === null ? {} : { labels: JSON.parse(String(row.labels)) as string[] }),
    ...(row.ek_sha256 === null ? {} : { ekSha256: String(row.ek_sha256) }),
    ...(row.role === null ? {} : { node: { role: String(row.role), id: String(row.node_id) } }),
    createdBy: String(row.created_by),
    createdAtMs: Number(row.created_at),
    expiresAtMs: Number(row.expires_at),
    ...(row.used_by === null ? {} : { usedBy: String(row.used_by) }),
  };
}

async function revocations(sql: Sql): Promise<number> {
  const row = await sql.get("SELECT value FROM settings WHERE key = ?", revocationCounter);
  return row === undefined ? 0 : Number(row.value);
}
