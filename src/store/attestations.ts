/** Attestations of channels. That an end is final is said by every statement that changes one, not by its callers. */
import type {
  AttestationHold,
  AttestationOpening,
  AttestationRecord,
  AttestationState,
  AttestationStep,
  AttestationStore,
  Deferral,
} from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

export interface AttestationLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Most attestations of one agent and tunnel; about 800 bytes each. It has at most eight channels at a time. */
  readonly maxAttestationsPerAgent: number;
}

/** How long one that is over is told to operators. */
const keepMs = 86_400_000;
/**
 * How long a proof waits for its channel. Tokens that name it live ten minutes at most, and clocks differ by five: no edge
 * takes them later. Whoever proves itself without end and opens nothing would fill the store else.
 */
const notHeldMs = 1_200_000;
/** Most that {@link SqlAttestations.attestations} returns at once. */
const maxPage = 1_000;

const OPEN = "state IN ('passed', 'asked')";

export class SqlAttestations implements AttestationStore {
  readonly #database: SqlDatabase;
  readonly #limits: AttestationLimits;

  constructor(database: SqlDatabase, limits: AttestationLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async openAttestation(opening: AttestationOpening): Promise<void> {
    await this.#database.transaction((sql) => this.#insert(sql, opening));
  }

  async attestation(attestationId: string): Promise<AttestationRecord | undefined> {
    const row = await this.#database.get(
      "SELECT * FROM attestations WHERE attestation_id = ?",
      attestationId,
    );
    return row && known(row);
  }

  async newestAttestation(tunnelId: string, agentId: string): Promise<AttestationRecord | undefined> {
    const row = await this.#database.get(
      `SELECT * FROM attestations WHERE tunnel_id = ? AND agent_id = ?
       ORDER BY ${OPEN} DESC, opened_at DESC, attestation_id LIMIT 1`,
      tunnelId,
      agentId,
    );
    return row && known(row);
  }

  async holdAttestation(hold: AttestationHold): Promise<boolean> {
    const { attestationId, tunnelId, agentId, holder, sessionId, deadlineMs } = hold;
    return await this.#database.transaction(async (sql) => {
      const count = "SELECT count(*) FROM attestations WHERE attestation_id = ?";
      if (await sql.number(count, attestationId) === 0) await this.#insert(sql, { ...hold, body: "{}" });
      return await sql.run(
        `UPDATE attestations SET holder = ?, session_id = ?, deadline = ?, changed_at = ?
         WHERE attestation_id = ? AND tunnel_id = ? AND agent_id = ? AND ${OPEN}`,
        holder,
        sessionId,
        deadlineMs ?? null,
        this.#limits.wall(),
        attestationId,
        tunnelId,
        agentId,
      ) === 1;
    });
  }

  async stepAttestation(attestationId: string, step: AttestationStep): Promise<boolean> {
    const set = async (columns: string, ...values: (string | number | null)[]) =>
      await this.#database.run(
        `UPDATE attestations SET state = ?, changed_at = ?, ${columns} WHERE attestation_id = ? AND ${OPEN}`,
        step.state,
        this.#limits.wall(),
        ...values,
        attestationId,
      ) === 1;
    switch (step.state) {
      case "passed": {
        const { attestedAtMs, liveUntilMs, deadlineMs } = step;
        const columns = "attested_at = ?, live_until = ?";
        return deadlineMs === undefined
          ? await set(columns, attestedAtMs, liveUntilMs)
          : await set(`${columns}, deadline = ?`, attestedAtMs, liveUntilMs, deadlineMs);
      }
      case "asked":
        return await set("attempts = attempts + 1, deadline = ?", step.deadlineMs);
      case "failed":
        return await this.#fail(attestationId, step.code);
      case "lapsed":
        return await set("code = ?", step.code);
      case "ended":
        return await set("code = ?", step.code ?? null);
      default:
        return step satisfies never;
    }
  }

  async lapseAttestations(holder: string, code: string): Promise<number> {
    return await this.#database.run(
      `UPDATE attestations SET state = 'lapsed', code = ?, changed_at = ? WHERE holder = ? AND ${OPEN}`,
      code,
      this.#limits.wall(),
      holder,
    );
  }

  async attestations(limit: number): Promise<AttestationRecord[]> {
    const rows = await this.#database.all(
      "SELECT * FROM attestations WHERE holder IS NOT NULL ORDER BY changed_at DESC, attestation_id LIMIT ?",
      Math.min(limit, maxPage),
    );
    return rows.map(known);
  }

  async deferAttestation({ tunnelId, agentId, nowMs, byMs, capMs }: Deferral): Promise<number> {
    return await this.#database.transaction(async (sql) => {
      const { until, spent } = await deferralOf(sql, tunnelId, agentId);
      // Further ahead than the cap nothing was ever granted: the wall clock was set back.
      const covered = until - nowMs > capMs ? 0 : Math.min(Math.max(0, until - nowMs), byMs);
      const added = Math.min(byMs - covered, Math.max(0, capMs - spent));
      const granted = covered + added;
      if (added === 0) return granted;
      await sql.run(
        "DELETE FROM attestation_deferrals WHERE tunnel_id = ? AND agent_id = ?",
        tunnelId,
        agentId,
      );
      await sql.run(
        "INSERT INTO attestation_deferrals VALUES (?, ?, ?, ?)",
        tunnelId,
        agentId,
        nowMs + granted,
        spent + added,
      );
      return granted;
    });
  }

  async deferralSpent(tunnelId: string, agentId: string): Promise<number> {
    return (await deferralOf(this.#database, tunnelId, agentId)).spent;
  }

  async endDeferral(tunnelId: string, agentId: string): Promise<void> {
    await this.#database.run(
      "DELETE FROM attestation_deferrals WHERE tunnel_id = ? AND agent_id = ?",
      tunnelId,
      agentId,
    );
  }

  async forgetDeferrals(beforeMs: number): Promise<number> {
    return await this.#database.run("DELETE FROM attestation_deferrals WHERE deferred_until < ?", beforeMs);
  }

  /** With all others of the agent for the tunnel. */
  async #fail(attestationId: string, code: string): Promise<boolean> {
    return await this.#database.run(
      `UPDATE attestations SET state = 'failed', code = ?, changed_at = ? WHERE ${OPEN} AND (tunnel_id, agent_id) IN
       (SELECT tunnel_id, agent_id FROM attestations WHERE attestation_id = ? AND ${OPEN})`,
      code,
      this.#limits.wall(),
      attestationId,
    ) > 0;
  }

  async #insert(sql: Sql, opening: AttestationOpening): Promise<void> {
    const { attestationId, tunnelId, agentId, attestedAtMs, liveUntilMs, body } = opening;
    const now = this.#limits.wall();
    await sql.run("DELETE FROM attestations WHERE live_until <= ?", now - keepMs);
    await sql.run("DELETE FROM attestations WHERE holder IS NULL AND attested_at <= ?", now - notHeldMs);
    // Those that are over go first; a channel whose attestation went is refused when it proves itself next.
    await sql.run(
      `DELETE FROM attestations WHERE attestation_id IN (
         SELECT attestation_id FROM attestations WHERE tunnel_id = ? AND agent_id = ?
         ORDER BY ${OPEN} DESC, opened_at DESC, attestation_id LIMIT ${maxPage} OFFSET ?)`,
      tunnelId,
      agentId,
      this.#limits.maxAttestationsPerAgent - 1,
    );
    await sql.run(
      `INSERT INTO attestations
       (attestation_id, tunnel_id, agent_id, opened_at, attested_at, live_until, changed_at, state, attempts, body)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'passed', 0, ?)`,
      attestationId,
      tunnelId,
      agentId,
      attestedAtMs,
      attestedAtMs,
      liveUntilMs,
      now,
      body,
    );
  }
}

async function deferralOf(
  sql: Sql,
  tunnelId: string,
  agentId: string,
): Promise<{ until: number; spent: number }> {
  const row = await sql.get(
    "SELECT deferred_until, spent FROM attestation_deferrals WHERE tunnel_id = ? AND agent_id = ?",
    tunnelId,
    agentId,
  );
  return { until: Number(row?.deferred_until ?? 0), spent: Number(row?.spent ?? 0) };
}

function known(row: Row): AttestationRecord {
  return {
    attestationId: String(row.attestation_id),
    tunnelId: String(row.tunnel_id),
    agentId: String(row.agent_id),
    openedAtMs: Number(row.opened_at),
    attestedAtMs: Number(row.attested_at),
    state: String(row.state) as AttestationState,
    ...(row.code === null ? {} : { code: String(row.code) }),
    attempts: Number(row.attempts),
    ...(row.deadline === null ? {} : { deadlineMs: Number(row.deadline) }),
    ...(row.holder === null ? {} : { holder: String(row.holder) }),
    ...(row.session_id === null ? {} : { sessionId: String(row.session_id) }),
    changedAtMs: Number(row.changed_at),
    liveUntilMs: Number(row.live_until),
    body: String(row.body),
  };
}
