/** One-time codes by time (RFC 6238) over HMAC-SHA-1, as every authenticator app has them. */
import { createHmac } from "node:crypto";

/** As RFC 4226 (R6) wants it: 160 bits. */
export const TOTP_SECRET_BYTES = 20;
const TOTP_DIGITS = 6;
/** Seconds of one code. */
const TOTP_PERIOD_SECONDS = 30;

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Which code of all counts at a time (ms since the Unix epoch): RFC 6238 section 4.2, T0 = 0. */
export function totpStep(atMs: number): number {
  return Math.floor(atMs / (TOTP_PERIOD_SECONDS * 1_000));
}

/** The code of a step: RFC 4226 section 5.3, with leading zeros. */
export function totpCode(secret: Uint8Array, step: number, digits: number = TOTP_DIGITS): string {
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(step));
  const mac = createHmac("sha1", secret).update(new Uint8Array(counter.buffer)).digest();
  const offset = mac[mac.length - 1] & 0xf;
  const value = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(value % 10 ** digits).padStart(digits, "0");
}

/** RFC 4648 section 6 without padding, as apps take secrets. */
export function base32Of(bytes: Uint8Array): string {
  let [text, bits, held] = ["", 0, 0];
  for (const byte of bytes) {
    held = held << 8 | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[held >> bits & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[held << 5 - bits & 31];
}
