/** Structured logging. Fields are ids, counts and codes: never tokens, keys, nonces or payload. */
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes one event, e.g. `log("info", "channel established", { channel_id })`. Never throws. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;
