/** Policies and values to judge. */
import fc from "fast-check";
import type { PcrPolicy, TpmClock } from "../../src/policy/mod.ts";

/** 64 hex digits. */
export const digest = (value: number) => value.toString(16).padStart(2, "0").repeat(32);

export const policyOf = (change: Partial<PcrPolicy> = {}): PcrPolicy => ({
  name: "factory",
  version: 1,
  bank: "sha256",
  pcrs: { "0": [digest(1)], "7": "any" },
  labels: [],
  ...change,
});

export const firmware = "2020052100162800";

export const clockOf = (change: Partial<TpmClock> = {}): TpmClock => ({
  resetCount: 5,
  restartCount: 2,
  clockMs: 1_000,
  firmware,
  ...change,
});

/** Small numbers, so that they meet. */
export const clocks: fc.Arbitrary<TpmClock> = fc.record({
  resetCount: fc.nat(3),
  restartCount: fc.nat(3),
  clockMs: fc.nat(5),
  firmware: fc.constantFrom("0000000000000001", "0000000000000002"),
});
