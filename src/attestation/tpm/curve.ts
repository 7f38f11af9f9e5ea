/** The NIST curves (SP 800-186, 3.2.1): whether a point is on them. */
import { toHex } from "../../bytes/mod.ts";
import type { TpmCurve } from "./public_area.ts";

/** y^2 = x^3 - 3x + b over the field of p. The cofactor is 1: every point but infinity has the full order. */
const CURVES: Readonly<Record<TpmCurve, { readonly p: bigint; readonly b: bigint }>> = {
  p256: {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8_aa3a93e7_b3ebbd55_769886bc_651d06b0_cc53b0f6_3bce3c3e_27d2604bn,
  },
  p384: {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7_e23ee7e4_988e056b_e3f82d19_181d9c6e_fe814112_0314088f_5013875a_c656398d_8a2ed19d_2a85c8ed_d3ec2aefn,
  },
};

/** Whether two big-endian coordinates are a point of the curve, reduced and not infinity. */
export function isOnCurve(curve: TpmCurve, x: Uint8Array, y: Uint8Array): boolean {
  const { p, b } = CURVES[curve];
  const [bigX, bigY] = [bigOf(x), bigOf(y)];
  if (bigX >= p || bigY >= p) return false;
  return (bigY * bigY - (bigX * bigX * bigX - 3n * bigX + b)) % p === 0n;
}

function bigOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}
