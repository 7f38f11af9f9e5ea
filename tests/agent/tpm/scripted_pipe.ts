/** A TPM that says what its script tells it to, byte for byte. */
import type { OpenPipe, TpmPipe } from "../../../agent/tpm/pipe.ts";
import { settle, type VirtualClock } from "../../support/virtual_clock.ts";

/** What a scripted TPM does with one command: bytes, in the pieces in which they are read; `null` = the connection ends. */
export type Answer = readonly (Uint8Array | null)[];
export type Script = (command: Uint8Array, at: number) => Answer | Promise<Answer>;

export class ScriptedTpm {
  /** Commands in the order in which they came. */
  readonly commands: Uint8Array[] = [];
  opened = 0;
  closed = 0;
  readonly #script: Script;
  readonly #isStream: boolean;

  constructor(script: Script, isStream = true) {
    this.#script = script;
    this.#isStream = isStream;
  }

  readonly open: OpenPipe = () => {
    this.opened++;
    return Promise.resolve(this.#pipe());
  };

  #pipe(): TpmPipe {
    let pending: Answer = [];
    let left: Promise<void> = Promise.resolve();
    let isClosed = false;
    return {
      isStream: this.#isStream,
      write: (bytes) => {
        const command = bytes.slice();
        this.commands.push(command);
        const at = this.commands.length - 1;
        left = Promise.resolve(this.#script(command, at)).then((answer) => {
          pending = answer;
        });
        return Promise.resolve(bytes.length);
      },
      read: async (into) => {
        await left;
        const [piece, ...rest] = pending;
        if (isClosed) throw new Deno.errors.BadResource("closed");
        // Nothing more to say: a TPM that hangs.
        if (piece === undefined) return await new Promise<never>(() => {});
        pending = rest;
        if (piece === null) return null;
        into.set(piece.subarray(0, into.length));
        return Math.min(piece.length, into.length);
      },
      close: () => {
        isClosed = true;
        this.closed++;
      },
    };
  }
}

/** A response without sessions. */
export function response(code: number, body: Uint8Array = new Uint8Array(), tag = 0x8001): Uint8Array {
  const bytes = new Uint8Array(10 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, tag);
  view.setUint32(2, bytes.length);
  view.setUint32(6, code);
  bytes.set(body, 10);
  return bytes;
}

/** TPM_CC of a command. */
export function codeOf(command: Uint8Array): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(6);
}

/** An empty list of handles: what TPM2_GetCapability answers at the start of the first use. */
export const NO_HANDLES = response(0, Uint8Array.fromHex("00" + "00000001" + "00000000"));

/** Answers the two questions at the start by itself, and the rest by the script. */
export function afterStart(script: Script): Script {
  return (command, at) => codeOf(command) === 0x017a ? [NO_HANDLES] : script(command, at - 2);
}

/** Lets a row of commands run that wait for nothing but each other. */
export async function quiet(): Promise<void> {
  for (let round = 0; round < 20; round++) await settle();
}

/** Lets `ms` pass, and between two deadlines everything come to rest. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const endMs = clock.now() + ms;
  while (true) {
    await quiet();
    const nextAtMs = clock.nextAtMs;
    if (nextAtMs === undefined || nextAtMs > endMs) break;
    clock.advance(nextAtMs - clock.now());
  }
  clock.advance(endMs - clock.now());
  await quiet();
}
