/** Streams over one channel: credit, scheduling, frames. Sans-IO. */
export { CreditBudget, type CreditGrowth, CreditLedger } from "./credit_ledger.ts";
export {
  CHANNEL_WINDOW_BYTES,
  MAX_TRAILER_BYTES,
  MUX_LIMITS,
  type MuxLimits,
  STREAM_WINDOW_BYTES,
} from "./limits.ts";
export { Mux, type MuxEvents } from "./mux.ts";
export { QUANTUM_BYTES, Scheduler, STRICT_RUN_BYTES } from "./scheduler.ts";
export { UnreadBudget, type UnreadMember } from "./unread_budget.ts";
export { MuxStream, type StreamHandler } from "./stream.ts";
