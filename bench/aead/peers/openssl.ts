/** The command `openssl speed`: native code, in a process of its own, one second at a time. */
import type { Metric } from "../metrics.ts";

/** Clears AVX512 F, DQ, IFMA, CD, BW and VL: what a processor with AVX2 only would run. */
const AVX2_ONLY = { OPENSSL_ia32cap: ":~0xd0230000" };

export interface NativePeer {
  readonly name: string;
  measures(metric: Metric): boolean;
  /** GB/s; undefined where it cannot run. */
  measure(metric: Metric): Promise<number | undefined>;
}

const isAead = ({ operation }: Metric) => operation !== "hash";

export const NATIVE_PEERS: readonly NativePeer[] = [
  { name: "openssl", measures: isAead, measure: (metric) => speed(metric, {}) },
  {
    name: "openssl, AVX2",
    measures: (metric) => isAead(metric) && metric.bytes === 16384,
    measure: (metric) => speed(metric, AVX2_ONLY),
  },
];

/** Per second of its processor time, which it counts itself. */
async function speed(metric: Metric, env: Record<string, string>): Promise<number | undefined> {
  const direction = metric.operation === "open" ? ["-decrypt"] : [];
  const args = ["speed", "-mr", "-aead", ...direction, "-evp", "chacha20-poly1305"];
  try {
    const { success, stdout } = await new Deno.Command("openssl", {
      args: [...args, "-bytes", String(metric.bytes), "-seconds", "1"],
      env,
      stderr: "null",
    }).output();
    if (!success) return undefined;
    const rate = /^\+F:[^:]*:[^:]*:([\d.]+)/m.exec(new TextDecoder().decode(stdout))?.[1];
    return rate === undefined ? undefined : Number(rate) / 1e9;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** `OpenSSL 3.0.19`; undefined where it is not installed. */
export async function opensslVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("openssl", { args: ["version"] }).output();
    return new TextDecoder().decode(stdout).split(" ").slice(0, 2).join(" ");
  } catch {
    return undefined;
  }
}
