/** One open way to a TPM: a command out, its response in, until the first thing that is not as it must be. */
import type { TpmAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import {
  framingError,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  parseResponse,
  responseBytes,
  type TpmResponse,
} from "./framing.ts";
import { openError, type OpenPipe, type TpmPipe } from "./pipe.ts";

/** Time for a connection, or for the kernel to open the device. */
const OPEN_TIMEOUT_MS = 5_000;

/**
 * Never resynchronises: after a failure it is closed and stays so, because a late response would be taken for that of the
 * next command. One command at a time is the caller's business.
 */
export class TpmTransport {
  readonly #pipe: TpmPipe;
  readonly #clock: Clock;
  /** One byte more than a response may have: a byte too many is seen. */
  readonly #buffer = new Uint8Array(MAX_MESSAGE_BYTES + 1);
  #isClosed = false;

  private constructor(pipe: TpmPipe, clock: Clock) {
    this.#pipe = pipe;
    this.#clock = clock;
  }

  /** Throws `tpm_unavailable`, `tpm_device_forbidden`, `tpm_stdio_lost`, `tpm_timeout`. */
  static async open(address: TpmAddress, open: OpenPipe, clock: Clock): Promise<TpmTransport> {
    let isLate = false;
    const opening = open(address).then((pipe) => {
      if (isLate) pipe.close();
      return pipe;
    });
    try {
      return new TpmTransport(await within(clock, OPEN_TIMEOUT_MS, opening, () => isLate = true), clock);
    } catch (error) {
      throw openError(error, address);
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends one command and waits for its response. Throws `tpm_framing`, `tpm_timeout`, `tpm_unavailable`; the transport is
   * closed then.
   */
  async exchange(command: Uint8Array, timeoutMs: number): Promise<TpmResponse> {
    try {
      const whole = await within(this.#clock, timeoutMs, this.#exchange(command), () => this.close());
      return parseResponse(command, whole);
    } catch (error) {
      this.close();
      throw error instanceof PosternError ? error : new PosternError(
        "tpm_unavailable",
        "Cannot talk to the TPM: the connection broke",
        { cause: error },
      );
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pipe.close();
  }

  async #exchange(command: Uint8Array): Promise<Uint8Array> {
    await this.#send(command);
    let have = await this.#read(0);
    if (this.#pipe.isStream) {
      while (have < HEADER_BYTES) have += await this.#read(have);
      const size = responseBytes(this.#buffer);
      while (have < size) have += await this.#read(have);
    } else if (have < HEADER_BYTES) throw framingError(`it has ${have} bytes`);
    return this.#buffer.slice(0, have);
  }

  async #send(command: Uint8Array): Promise<void> {
    for (let sent = 0; sent < command.length;) {
      const taken = await this.#pipe.write(command.subarray(sent));
      sent += taken;
      // To a device each write is a command of its own.
      if (taken === 0 || (!this.#pipe.isStream && sent < command.length)) {
        throw framingError(`the command was taken in part only, ${sent} of ${command.length} bytes`);
      }
    }
  }

  async #read(at: number): Promise<number> {
    const bytes = await this.#pipe.read(this.#buffer.subarray(at));
    if (bytes === null || bytes === 0) {
      throw new PosternError("tpm_unavailable", "Cannot talk to the TPM: the connection ended");
    }
    return bytes;
  }
}

/** The outcome of `work`, unless time is up before. */
function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>, stop: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(clock.now() + timeoutMs, () => {
      stop();
      reject(
        new PosternError("tpm_timeout", `Cannot talk to the TPM: no answer within ${timeoutMs} ms`, {
          detail: { timeout_ms: timeoutMs },
        }),
      );
    });
    work.then(resolve, reject).finally(cancel);
  });
}
