/** The relay of private channels without IO: who attaches, who is paired with whom, and when and why that ends. */
export {
  ATTACH_PATH,
  type AttachRecord,
  encodeAttach,
  encodePaired,
  MAX_ATTACH_BYTES,
  type PairedRecord,
  readAttach,
  readPaired,
} from "./attach_record.ts";
export { RELAY_LIMITS, type RelayLimits } from "./limits.ts";
export {
  type AttachFacts,
  type ChannelView,
  type HalfEvents,
  Pairing,
  type RelayCounts,
  type RelayHalf,
} from "./pairing.ts";
export {
  closeCodeOf,
  reasonOf,
  RELAY_REASONS,
  type RelayReason,
  relayRefusal,
  type RelayRole,
  toldReason,
} from "./reason.ts";
