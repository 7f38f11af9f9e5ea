/**
 * Messages of a TPM (TPM 2.0 Library Part 1, 18; Part 3, 5).
 *
 * ```
 * command    tag u16 | commandSize u32  | commandCode u32  | handles | authorizations | parameters
 * response   tag u16 | responseSize u32 | responseCode u32 | handle  | parameterSize u32 (with sessions) | parameters
 * ```
 * All integers are big-endian; a size counts the whole message. A message that breaks these rules ends its transport: what
 * comes after it can be anything.
 */
import { TpmSt } from "../../src/attestation/tpm/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";

export const HEADER_BYTES = 10;
/** Largest message of the kernel's driver (TPM_BUFSIZE) and of every TPM of the PC Client profile. */
export const MAX_MESSAGE_BYTES = 4_096;
/** TPM_ST_RSP_COMMAND (Part 2, 6.9): how a TPM 1.2 refuses every command of ours. */
const TAG_OF_TPM_1_2 = 0x00c4;

export interface TpmResponse {
  /** TPM_RC; 0 is success. */
  readonly code: number;
  /** What follows the header; empty unless the code is 0. */
  readonly body: Uint8Array;
}

/** What to throw for bytes that are no response. */
export function framingError(state: string): PosternError {
  return new PosternError("tpm_framing", `Cannot read the TPM's response: ${state}`);
}

/** Bytes of the whole response, from its header alone. Throws `tpm_framing`. */
export function responseBytes(header: Uint8Array): number {
  const { view, tag } = headerOf(header);
  if (tag === TAG_OF_TPM_1_2) throw framingError("this is a TPM 1.2");
  if (tag !== TpmSt.noSessions && tag !== TpmSt.sessions) {
    throw framingError(`it begins with tag 0x${tag.toString(16).padStart(4, "0")}`);
  }
  const size = view.getUint32(2);
  if (size < HEADER_BYTES || size > MAX_MESSAGE_BYTES) throw framingError(`it declares ${size} bytes`);
  return size;
}

/** The parts of a whole response to `command`. Throws `tpm_framing`. */
export function parseResponse(command: Uint8Array, response: Uint8Array): TpmResponse {
  const size = responseBytes(response);
  if (size !== response.length) {
    throw framingError(`it declares ${size} bytes and has ${response.length}`);
  }
  const { view, tag } = headerOf(response);
  const code = view.getUint32(6);
  const body = response.subarray(HEADER_BYTES);
  // Part 3, 5.2: an error has no more than its header, and no sessions.
  if (code !== 0 && (tag !== TpmSt.noSessions || body.length > 0)) {
    throw framingError("it is an error that goes on after its code");
  }
  if (code === 0 && tag !== headerOf(command).tag) throw framingError("its tag is not the command's");
  return { code, body };
}

/** Offsets 0 tag, 2 size, 6 code. */
function headerOf(message: Uint8Array): { view: DataView; tag: number } {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  return { view, tag: view.getUint16(0) };
}
