/**
 * TPM_RC (Part 2, 6.6): what a TPM answers with in place of success.
 *
 * ```
 *  bit 31..16   layer that made the code up (TCG TSS 2.0 Overview, 4.1.1); 0 = the TPM
 *  bit 8   7
 *      x   1    format 1: bits 5..0 error; bit 6 parameter, else bit 11 session, else handle; bits 10..8 (11..8) which, from 1
 *      1   0    format 0: bits 6..0 error; bit 11 warning; bit 10 vendor's own
 *      0   0    TPM 1.2
 * ```
 */

/** Bits of the code that are the TPM's. */
const TPM_BITS = 0xffff;
const FORMAT_1 = 1 << 7;
const PARAMETER = 1 << 6;
const SESSION = 1 << 11;
const WARNING = 1 << 11;
const VENDOR = 1 << 10;
const VERSION_2 = 1 << 8;

export const TpmRc = {
  success: 0x000,
  initialize: 0x100,
  failure: 0x101,
  needsTest: 0x153,
  commandCode: 0x143,
  pcrChanged: 0x128,
  /** Format 1, without the number of the handle, parameter or session. */
  hierarchy: 0x085,
  handle: 0x08b,
  authFail: 0x08e,
  policyFail: 0x09d,
  badAuth: 0x0a2,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  yielded: 0x908,
  canceled: 0x909,
  testing: 0x90a,
  nvRate: 0x920,
  lockout: 0x921,
  retry: 0x922,
  nvUnavailable: 0x923,
} as const;

/** Answers to a command that was not begun, or not finished, and may be sent again as it is (Part 2, 6.6.3). */
const TRANSIENT: ReadonlySet<number> = new Set([
  TpmRc.yielded,
  TpmRc.canceled,
  TpmRc.testing,
  TpmRc.nvRate,
  TpmRc.retry,
  TpmRc.nvUnavailable,
]);

export function isTransient(code: number): boolean {
  return TRANSIENT.has(code & TPM_BITS);
}

/** Whether the TPM could not judge the command as things stand, say because another program unloaded an object of ours. */
export function isWarning(code: number): boolean {
  return (code & (FORMAT_1 | WARNING)) === WARNING;
}

/** No room for one more object or session: without a resource manager another program may hold it, for a moment or for good. */
export function isFull(code: number): boolean {
  return isCode(code, TpmRc.objectMemory) || isCode(code, TpmRc.sessionMemory);
}

/** Whether the TPM has understood the command, and refuses what stands in it (format 1): sending it again changes nothing. */
export function isAboutContent(code: number): boolean {
  return (code & FORMAT_1) !== 0;
}

/** Whether the code, which parameter, handle or session it is about aside, is `base`. */
export function isCode(code: number, base: number): boolean {
  const own = code & TPM_BITS;
  return ((own & FORMAT_1) === 0 ? own : own & 0x0bf) === base;
}

/** The code in words: `TPM_RC_VALUE (0x2c4): parameter 2: value is out of range or is not correct for the context`. */
export function describeResponseCode(code: number): string {
  const own = code & TPM_BITS;
  const number = `0x${own.toString(16).padStart(3, "0")}`;
  const layer = code >>> 16;
  const by = layer === 0 ? "" : `, from ${LAYERS.get(layer) ?? `layer ${layer}`}`;
  if ((own & FORMAT_1) !== 0) {
    const [name, text] = FORMAT_1_ERRORS.get(own & 0x3f) ?? UNKNOWN;
    const subject = subjectOf(own);
    return `TPM_RC_${name} (${number}${by}): ${subject === undefined ? "" : `${subject}: `}${text}`;
  }
  const [name, text] = format0(own);
  return `TPM_RC_${name} (${number}${by}): ${text}`;
}

function format0(code: number): readonly [string, string] {
  if ((code & VERSION_2) === 0) return ["1_2", "an answer of a TPM 1.2"];
  if ((code & VENDOR) !== 0) return ["VENDOR", "an answer that only the TPM's maker can explain"];
  const error = code & 0x7f;
  if ((code & WARNING) === 0) return ERRORS.get(error) ?? UNKNOWN;
  if (error >= 0x10 && error <= 0x16) {
    return ["REFERENCE_H", `${error - 0x0f}. handle refers to nothing that is loaded`];
  }
  if (error >= 0x18 && error <= 0x1e) {
    return ["REFERENCE_S", `${error - 0x17}. session refers to nothing that is loaded`];
  }
  return WARNINGS.get(error) ?? UNKNOWN;
}

function subjectOf(code: number): string | undefined {
  const index = code >> 8 & ((code & PARAMETER) !== 0 ? 0xf : 0x7);
  if (index === 0) return undefined;
  if ((code & PARAMETER) !== 0) return `parameter ${index}`;
  return (code & SESSION) !== 0 ? `session ${index}` : `handle ${index}`;
}

const UNKNOWN = ["UNKNOWN", "an answer that the specification does not know"] as const;

/** The kernel's resource manager says so of commands that it does not let pass. */
const LAYERS: ReadonlyMap<number, string> = new Map([
  [0x08, "the TSS library"],
  [0x09, "the TSS library"],
  [0x0a, "the transport"],
  [0x0b, "the resource manager"],
  [0x0c, "the resource manager"],
]);

/** RC_VER1 (table 16), by the bits 6..0. */
const ERRORS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [0x00, ["INITIALIZE", "it was not started since it got power"]],
  [0x01, ["FAILURE", "it is in failure mode"]],
  [0x03, ["SEQUENCE", "the command is out of sequence"]],
  [0x0b, ["PRIVATE", "the structure is not for this TPM"]],
  [0x19, ["HMAC", "the HMAC is wrong"]],
  [0x20, ["DISABLED", "the command is disabled"]],
  [0x21, ["EXCLUSIVE", "another session is exclusive"]],
  [0x24, ["AUTH_TYPE", "the handle wants another kind of authorization"]],
  [0x25, ["AUTH_MISSING", "the command has no authorization"]],
  [0x26, ["POLICY", "the policy failed"]],
  [0x27, ["PCR", "the PCR check failed"]],
  [0x28, ["PCR_CHANGED", "a PCR has changed since the policy was made"]],
  [0x2d, ["UPGRADE", "it is in field upgrade mode"]],
  [0x2e, ["TOO_MANY_CONTEXTS", "the context counter is at its end"]],
  [0x2f, ["AUTH_UNAVAILABLE", "the object's authorization cannot be used"]],
  [0x30, ["REBOOT", "it wants a reboot first"]],
  [0x31, ["UNBALANCED", "the protection algorithms are of different strength"]],
  [0x42, ["COMMAND_SIZE", "the command's size is wrong"]],
  [0x43, ["COMMAND_CODE", "it does not have this command"]],
  [0x44, ["AUTHSIZE", "the size of the authorizations is wrong"]],
  [0x45, ["AUTH_CONTEXT", "the command takes no authorization"]],
  [0x46, ["NV_RANGE", "beyond the end of the NV index"]],
  [0x47, ["NV_SIZE", "the size is too large for NV memory"]],
  [0x48, ["NV_LOCKED", "the NV index is locked"]],
  [0x49, ["NV_AUTHORIZATION", "the NV index does not allow this authorization"]],
  [0x4a, ["NV_UNINITIALIZED", "the NV index was never written"]],
  [0x4b, ["NV_SPACE", "NV memory is full"]],
  [0x4c, ["NV_DEFINED", "the NV index exists already"]],
  [0x50, ["BAD_CONTEXT", "the saved context is not valid"]],
  [0x51, ["CPHASH", "the command is not the one that was authorized"]],
  [0x52, ["PARENT", "the parent is not valid"]],
  [0x53, ["NEEDS_TEST", "it wants to test itself first"]],
  [0x54, ["NO_RESULT", "there is no result"]],
  [0x55, ["SENSITIVE", "the sensitive area did not unmarshal"]],
]);

/** RC_FMT1 (table 17), by the bits 5..0. */
const FORMAT_1_ERRORS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [0x01, ["ASYMMETRIC", "the asymmetric algorithm is not supported"]],
  [0x02, ["ATTRIBUTES", "the attributes are inconsistent"]],
  [0x03, ["HASH", "the hash is not supported"]],
  [0x04, ["VALUE", "the value is out of range or not right here"]],
  [0x05, ["HIERARCHY", "the hierarchy is not enabled or not right here"]],
  [0x07, ["KEY_SIZE", "the key size is not supported"]],
  [0x08, ["MGF", "the mask generation function is not supported"]],
  [0x09, ["MODE", "the mode of operation is not supported"]],
  [0x0a, ["TYPE", "the type is not right here"]],
  [0x0b, ["HANDLE", "the handle is not right here"]],
  [0x0c, ["KDF", "the key derivation function is not supported"]],
  [0x0d, ["RANGE", "the value is out of the allowed range"]],
  [0x0e, ["AUTH_FAIL", "the authorization failed, and the lockout counter went up"]],
  [0x0f, ["NONCE", "the nonce is not right"]],
  [0x10, ["PP", "physical presence is required"]],
  [0x12, ["SCHEME", "the scheme is not supported"]],
  [0x15, ["SIZE", "the size is wrong"]],
  [0x16, ["SYMMETRIC", "the symmetric algorithm is not supported"]],
  [0x17, ["TAG", "the structure's tag is wrong"]],
  [0x18, ["SELECTOR", "the selector is wrong"]],
  [0x1a, ["INSUFFICIENT", "the command is too short"]],
  [0x1b, ["SIGNATURE", "the signature is not valid"]],
  [0x1c, ["KEY", "the key is not right here"]],
  [0x1d, ["POLICY_FAIL", "the policy check failed"]],
  [0x1f, ["INTEGRITY", "the integrity check failed"]],
  [0x20, ["TICKET", "the ticket is not valid"]],
  [0x21, ["RESERVED_BITS", "reserved bits are set"]],
  [0x22, ["BAD_AUTH", "the authorization failed"]],
  [0x23, ["EXPIRED", "the policy has expired"]],
  [0x24, ["POLICY_CC", "the policy is for another command"]],
  [0x25, ["BINDING", "the public and the sensitive area do not belong together"]],
  [0x26, ["CURVE", "the curve is not supported"]],
  [0x27, ["ECC_POINT", "the point is not on the curve"]],
]);

/** RC_WARN (table 18), by the bits 6..0; references to handles and sessions aside. */
const WARNINGS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [0x01, ["CONTEXT_GAP", "the gap of contexts is too large"]],
  [0x02, ["OBJECT_MEMORY", "there is no room for one more object"]],
  [0x03, ["SESSION_MEMORY", "there is no room for one more session"]],
  [0x04, ["MEMORY", "it is out of memory"]],
  [0x05, ["SESSION_HANDLES", "it has no free session handle"]],
  [0x06, ["OBJECT_HANDLES", "it has no free object handle"]],
  [0x07, ["LOCALITY", "the locality is wrong"]],
  [0x08, ["YIELDED", "it interrupted the command"]],
  [0x09, ["CANCELED", "the command was canceled"]],
  [0x0a, ["TESTING", "it tests itself"]],
  [0x20, ["NV_RATE", "it slows down writes to NV memory"]],
  [0x21, ["LOCKOUT", "it is locked out after failed authorizations"]],
  [0x22, ["RETRY", "it could not begin the command"]],
  [0x23, ["NV_UNAVAILABLE", "NV memory cannot be written at present"]],
]);
