/** Series of who verified tokens. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** A verifier next door to one across the world. */
const verifierBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const STATES = ["closed", "open", "half_open"] as const;

export interface TokenSeries {
  /** `source`: keyset, jwks, hmac, remote, or none when nobody was asked; `result`: ok or a code. */
  readonly verifications: Counter<"source" | "result">;
  readonly verifierRequests: Counter<"outcome">;
  readonly verifierSeconds: Histogram;
  /** Fetches of a key set by result: ok or a code. */
  readonly keySetFetches: Counter<"result">;
  /** Sets the one state that the breaker is in. */
  verifierState(state: (typeof STATES)[number]): void;
}

export function registerTokenSeries(registers: Registry[]): TokenSeries {
  const stateGauge = new Gauge({
    name: "postern_token_verifier_state",
    help: "1 for the state of the circuit breaker before the remote verifier.",
    labelNames: ["state"],
    registers,
  });
  return {
    verifications: new Counter({
      name: "postern_token_verifications_total",
      help: "Judged tokens of agents by what judged them and by result.",
      labelNames: ["source", "result"],
      registers,
    }),
    verifierRequests: new Counter({
      name: "postern_token_verifier_requests_total",
      help: "Requests to the remote verifier, and what made one needless, by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    verifierSeconds: new Histogram({
      name: "postern_token_verifier_seconds",
      help: "Time of one request to the remote verifier.",
      buckets: verifierBuckets,
      registers,
    }),
    keySetFetches: new Counter({
      name: "postern_token_key_set_fetches_total",
      help: "Fetches of other issuers' key sets by result.",
      labelNames: ["result"],
      registers,
    }),
    verifierState(state) {
      for (const one of STATES) stateGauge.set({ state: one }, one === state ? 1 : 0);
    },
  };
}
