/** One exclusive use of the TPM: commands in a row, of which nothing stays loaded. */
import { type TpmReader, TpmWriter } from "../../src/attestation/tpm/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { commandBytes, readAnswer, type TpmAnswer, type TpmCommand } from "./command.ts";
import { describeResponseCode, isCode, isFull, isTransient, TpmRc } from "./response_code.ts";
import type { TpmTransport } from "./transport.ts";

/** Time for a command that makes no key, waits while the TPM is busy included. */
const COMMAND_TIMEOUT_MS = 10_000;
/** Time for TPM2_SelfTest of what was not tested yet. */
const SELF_TEST_TIMEOUT_MS = 60_000;
/** First wait when the TPM asks for another attempt; doubles. */
const RETRY_INITIAL_MS = 10;
const RETRY_MAX_MS = 1_000;
/** How long another program's objects are waited for: what takes longer is left behind. */
const FULL_MS = 2_000;

/** Codes that are more than "refused": what to do about them is different. */
const OWN_CODES: readonly (readonly [number, ErrorCode])[] = [
  [TpmRc.initialize, "tpm_not_started"],
  [TpmRc.failure, "tpm_failure"],
  [TpmRc.lockout, "tpm_lockout"],
];

export class TpmTurn {
  readonly #transport: TpmTransport;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Handles of ours, in the order in which they were loaded. */
  readonly #loaded: number[] = [];

  /** @param signal aborts: no further command is sent, but for those that clean up */
  constructor(transport: TpmTransport, clock: Clock, signal: AbortSignal) {
    this.#transport = transport;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Runs one command and hands its answer to `read`, which must read all of it. Waits while the TPM asks for patience.
   * Throws `tpm_refused` (detail: command, rc), `tpm_busy`, `tpm_not_started`, `tpm_failure`, `tpm_lockout`,
   * `tpm_response_invalid`, `tpm_aborted`, and what the transport throws.
   */
  async run<T>(command: TpmCommand, read: (parameters: TpmReader, handle: number) => T): Promise<T> {
    const body = await this.#succeed(command, this.#signal);
    try {
      const answer = this.#answer(command, body);
      const value = read(answer.parameters, answer.handle);
      answer.parameters.end();
      return value;
    } catch (error) {
      // Nothing that it says can be relied on any more, handles included.
      this.#transport.close();
      throw new PosternError(
        "tpm_response_invalid",
        `Cannot read the TPM's answer to ${commandName(command)}`,
        {
          cause: error,
          detail: { command: command.name },
        },
      );
    }
  }

  /** Unloads what was loaded in this turn, before its end: a TPM without resource manager has three places. */
  async flush(handle: number): Promise<void> {
    await this.#flush(handle);
    const at = this.#loaded.indexOf(handle);
    if (at >= 0) this.#loaded.splice(at, 1);
  }

  /**
   * Unloads everything, whether the signal has aborted or not. Where that fails the transport is closed, and the next one
   * begins with unloading.
   */
  async end(): Promise<void> {
    while (!this.#transport.isClosed) {
      const handle = this.#loaded.pop();
      if (handle === undefined) return;
      await this.#flush(handle).catch(() => this.#transport.close());
    }
  }

  #answer(command: TpmCommand, body: Uint8Array): TpmAnswer {
    const answer = readAnswer(command, body);
    if (command.makesHandle) this.#loaded.push(answer.handle);
    return answer;
  }

  async #flush(handle: number): Promise<void> {
    // Part 3, 28.4: the handle is a parameter.
    await this.#succeed({ name: "flushContext", parameters: new TpmWriter().u32(handle).bytes() });
  }

  /** The body of a successful response. @param signal absent: whatever happens, this is to be sent */
  async #succeed(command: TpmCommand, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = commandBytes(command);
    const timeoutMs = command.timeoutMs ?? COMMAND_TIMEOUT_MS;
    const startMs = this.#clock.now();
    const endMs = startMs + timeoutMs;
    let waitMs = RETRY_INITIAL_MS;
    let isTested = false;
    while (true) {
      if (signal?.aborted) throw aborted(signal);
      const { code, body } = await this.#transport.exchange(bytes, timeoutMs);
      if (code === TpmRc.success) return body;
      if (isCode(code, TpmRc.needsTest) && !isTested) {
        isTested = true;
        await this.#selfTest();
      } else if (isFull(code) ? this.#clock.now() - startMs >= FULL_MS : !isTransient(code)) {
        throw refused(command, code);
      } else if (this.#clock.now() + waitMs > endMs) throw busy(command, code);
      else {
        await this.#wait(waitMs);
        waitMs = Math.min(2 * waitMs, RETRY_MAX_MS);
      }
    }
  }

  async #selfTest(): Promise<void> {
    // Part 3, 10.2: fullTest NO.
    const command: TpmCommand = { name: "selfTest", parameters: new Uint8Array([0]) };
    const { code } = await this.#transport.exchange(commandBytes(command), SELF_TEST_TIMEOUT_MS);
    // TESTING: it has begun, and the command that comes next is answered so until it is over.
    if (code !== TpmRc.success && !isTransient(code)) throw refused(command, code);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.schedule(this.#clock.now() + ms, resolve));
  }
}

/** What a caller gets whose signal aborted. */
export function aborted(signal: AbortSignal): PosternError {
  return new PosternError("tpm_aborted", "Cannot use the TPM: the attempt was given up", {
    cause: signal.reason,
  });
}

function refused(command: TpmCommand, rc: number): PosternError {
  const code = OWN_CODES.find(([base]) => isCode(rc, base))?.[1] ?? "tpm_refused";
  return new PosternError(
    code,
    `Cannot run ${commandName(command)}: the TPM answers ${describeResponseCode(rc)}`,
    {
      detail: { command: command.name, rc },
    },
  );
}

function busy(command: TpmCommand, rc: number): PosternError {
  return new PosternError(
    "tpm_busy",
    `Cannot run ${commandName(command)}: the TPM still answers ${describeResponseCode(rc)}`,
    { detail: { command: command.name, rc } },
  );
}

/** As the specification writes it. */
function commandName({ name }: TpmCommand): string {
  const names: Partial<Record<TpmCommand["name"], string>> = {
    nvRead: "NV_Read",
    nvReadPublic: "NV_ReadPublic",
    pcrRead: "PCR_Read",
    policyPcr: "PolicyPCR",
  };
  return `TPM2_${names[name] ?? name[0].toUpperCase() + name.slice(1)}`;
}
