/** Streams over one channel: credit, scheduling, frames. Sans-IO. */
export { CreditBudget, type CreditGrowth, CreditLedger } from "./credit_ledger.ts";
export { MUX_LIMITS, type MuxLimits } from "./limits.ts";
export { Mux, type MuxEvents } from "./mux.ts";
export { QUANTUM_BYTES, Scheduler, STRICT_RUN_BYTES } from "./scheduler.ts";
export { MuxStream, type StreamHandler } from "./stream.ts";
