/** Why one stream ended early; the number goes over the wire, the name into logs, metrics and viewer errors. */
export const RESET_REASONS = [
  "cancelled", // 0: the far user went away
  "internal", // 1
  "stream_limit", // 2: no further stream now
  "origin_refused", // 3: nothing listens at the target
  "origin_timeout", // 4: the target did not answer in time
  "origin_reset", // 5: the target broke off
  "origin_protocol", // 6: the target sent what is not HTTP
  "draining", // 7: this node takes no new streams
  "unknown_service", // 8
  "class_denied", // 9: the channel does not carry this class
  "slow_consumer", // 10: unread bytes were in everybody's way
  "fenced", // 11: a newer session took over
  "idle_timeout", // 12
  "deadline", // 13: the drain deadline passed
  "request_refused", // 14: the far side could not accept the message as HTTP
  "channel_lost", // 15: the channel under the stream ended
] as const;

export type ResetReason = typeof RESET_REASONS[number];

/** Number of a reason. */
export function resetNumber(reason: ResetReason): number {
  return RESET_REASONS.indexOf(reason);
}

/** Reason of a number; one that we do not know yet reads as `internal`. */
export function resetReason(number: number): ResetReason {
  return RESET_REASONS[number] ?? "internal";
}
