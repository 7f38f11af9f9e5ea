/** Commands as bytes (Part 1, 18; Part 3, 5) and what comes back for them. */
import { TpmReader, TpmRh, TpmSt, TpmWriter } from "../../src/attestation/tpm/mod.ts";
import { HEADER_BYTES, MAX_MESSAGE_BYTES } from "./framing.ts";
import type { AnsweredAuthorization, HmacSession } from "./hmac_session.ts";

/** TPM_CC (Part 2, 6.5.2): the commands that an agent needs. */
export const TpmCc = {
  createPrimary: 0x0131,
  selfTest: 0x0143,
  activateCredential: 0x0147,
  nvRead: 0x014e,
  policySecret: 0x0151,
  create: 0x0153,
  load: 0x0157,
  quote: 0x0158,
  unseal: 0x015e,
  flushContext: 0x0165,
  nvReadPublic: 0x0169,
  startAuthSession: 0x0176,
  getCapability: 0x017a,
  pcrRead: 0x017e,
  policyPcr: 0x017f,
} as const;
export type TpmCommandName = keyof typeof TpmCc;

/** TPMA_SESSION continueSession (Part 2, 8.4): the session outlives the command. */
const CONTINUE_SESSION = 0x01;

/** An empty password, a policy session that needs no HMAC, or a salted session. */
export type TpmAuthorization = typeof TpmRh.password | number | HmacSession;

export interface TpmCommand {
  readonly name: TpmCommandName;
  readonly handles?: readonly number[];
  /** One for each handle that needs one, in their order: a session's handle, TPM_RS_PW, or a salted session. */
  readonly authorizations?: readonly TpmAuthorization[];
  /** Names of the handles, which a salted session authorizes with the command. */
  readonly names?: readonly Uint8Array[];
  /** What a salted session encrypts: the first parameter of the command, of the answer. */
  readonly secrets?: { readonly command?: boolean; readonly answer?: boolean };
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
  const { name, handles = [], authorizations = [], names = [], secrets = {} } = command;
  let parameters = command.parameters ?? new Uint8Array();
  const area = new TpmWriter();
  for (const authorization of authorizations) {
    // TPMS_AUTH_COMMAND (10.13.2): session | nonce TPM2B | attributes u8 | HMAC or password TPM2B.
    if (typeof authorization === "number") {
      area.u32(authorization).u16(0).u8(authorization === TpmRh.password ? 0 : CONTINUE_SESSION).u16(0);
    } else {
      const signed = authorization.sign(TpmCc[name], names, parameters, secrets);
      parameters = signed.parameters;
      area.put(signed.authorization);
    }
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

/** Reads the body of a successful response. Throws what {@link TpmReader} throws, also for an HMAC that is not the TPM's. */
export function readAnswer(command: TpmCommand, body: Uint8Array): TpmAnswer {
  const reader = new TpmReader(body, `response to TPM2_${command.name}`);
  const handle = command.makesHandle ? reader.u32() : 0;
  const { authorizations = [] } = command;
  if (authorizations.length === 0) return { handle, parameters: reader };
  let parameters: Uint8Array = reader.take(reader.u32());
  for (const authorization of authorizations) {
    const answered: AnsweredAuthorization = {
      nonce: reader.sized(MAX_MESSAGE_BYTES),
      attributes: reader.u8(),
      hmac: reader.sized(MAX_MESSAGE_BYTES), // without a salted session it says nothing
    };
    if (typeof authorization === "number") continue;
    const clear = authorization.open(TpmCc[command.name], parameters, answered);
    if (clear === undefined) throw reader.malformed("its HMAC does not hold");
    parameters = clear;
  }
  reader.end();
  return { handle, parameters: new TpmReader(parameters, `parameters of TPM2_${command.name}`) };
}
