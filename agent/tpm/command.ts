/** Commands as bytes (Part 1, 18; Part 3, 5) and what comes back for them. */
import { TpmReader, TpmRh, TpmSt, TpmWriter } from "../../src/attestation/tpm/mod.ts";
import { HEADER_BYTES, MAX_MESSAGE_BYTES } from "./framing.ts";

/** TPM_CC (Part 2, 6.5.2): the commands that an agent needs. */
const TpmCc = {
  createPrimary: 0x0131,
  selfTest: 0x0143,
  activateCredential: 0x0147,
  nvRead: 0x014e,
  policySecret: 0x0151,
  quote: 0x0158,
  flushContext: 0x0165,
  nvReadPublic: 0x0169,
  startAuthSession: 0x0176,
  getCapability: 0x017a,
  pcrRead: 0x017e,
} as const;
export type TpmCommandName = keyof typeof TpmCc;

/** TPMA_SESSION continueSession (Part 2, 8.4): the session outlives the command. */
const CONTINUE_SESSION = 0x01;

/** An empty password, or a policy session that needs no HMAC. */
export type TpmAuthorization = typeof TpmRh.password | number;

export interface TpmCommand {
  readonly name: TpmCommandName;
  readonly handles?: readonly number[];
  /** One for each handle that needs one, in their order: a session's handle or TPM_RS_PW. */
  readonly authorizations?: readonly TpmAuthorization[];
  readonly parameters?: Uint8Array;
  /** Whether the response begins with the handle of something new, which the turn unloads at its end. */
  readonly makesHandle?: boolean;
  /** Some take long on a real TPM: making an RSA key may take a minute. */
  readonly timeoutMs?: number;
}

/** What a TPM answers a command with. */
export interface TpmAnswer {
  /** 0 unless the command makes one. */
  readonly handle: number;
  readonly parameters: TpmReader;
}

/** Throws RangeError for a command that no TPM takes. */
export function commandBytes(command: TpmCommand): Uint8Array<ArrayBuffer> {
  const { name, handles = [], authorizations = [], parameters = new Uint8Array() } = command;
  const area = new TpmWriter();
  for (const handle of authorizations) {
    // TPMS_AUTH_COMMAND (10.13.2): session | nonce TPM2B | attributes u8 | HMAC or password TPM2B, both empty.
    area.u32(handle).u16(0).u8(handle === TpmRh.password ? 0 : CONTINUE_SESSION).u16(0);
  }
  const authorization = area.bytes();
  const rest = new TpmWriter();
  for (const handle of handles) rest.u32(handle);
  if (authorizations.length > 0) rest.u32(authorization.length).put(authorization);
  const body = rest.put(parameters).bytes();
  const size = HEADER_BYTES + body.length;
  if (size > MAX_MESSAGE_BYTES) throw new RangeError(`Cannot send a TPM command of ${size} bytes`);
  const tag = authorizations.length > 0 ? TpmSt.sessions : TpmSt.noSessions;
  return new TpmWriter().u16(tag).u32(size).u32(TpmCc[name]).put(body).bytes();
}

/** Reads the body of a successful response. Throws what {@link TpmReader} throws. */
export function readAnswer(command: TpmCommand, body: Uint8Array): TpmAnswer {
  const reader = new TpmReader(body, `response to TPM2_${command.name}`);
  const handle = command.makesHandle ? reader.u32() : 0;
  if ((command.authorizations ?? []).length === 0) return { handle, parameters: reader };
  const parameters = reader.take(reader.u32());
  for (const _ of command.authorizations!) {
    reader.sized(MAX_MESSAGE_BYTES); // nonce
    reader.u8();
    reader.sized(MAX_MESSAGE_BYTES); // acknowledgement: without an HMAC it says nothing
  }
  reader.end();
  return { handle, parameters: new TpmReader(parameters, `parameters of TPM2_${command.name}`) };
}
