/** The {@link Log} port: one line an event, for people or for machines, bounded and without secrets. */
import { instant } from "../bytes/mod.ts";
import type { Log, LogFields, LogLevel } from "../ports/mod.ts";

const severity: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Longest field value; the rest is cut and marked. One line stays below 64 KiB with all fields full. */
export const maxFieldChars = 1024;

/** Most fields of one event. */
export const maxFields = 48;

/** Names whose values are never written, whoever logged them: a second guard, not a licence. */
const secretName =
  /(?:^|_)(?:token|secret|psk|key|nonce|password|passphrase|authorization|cookie|credential|credentials)(?:_(?:value|bytes|base64|hex|pem))?$/;

export interface LogOptions {
  readonly format: "text" | "json";
  readonly level: LogLevel;
  /** Wall clock in milliseconds since the Unix epoch. */
  readonly wall: () => number;
  /** Takes one line with its newline. What it throws is dropped: logging never fails the work. */
  readonly write: (line: string) => void;
  /** Fields of every event, e.g. the node's id. */
  readonly base?: LogFields;
}

/** A log that writes lines. */
export function createLog(options: LogOptions): Log {
  const least = severity[options.level];
  const line = options.format === "json" ? jsonLine : textLine;
  return (level, event, fields) => {
    if (severity[level] < least) return;
    try {
      options.write(
        line(instant(options.wall()), level, event, { ...options.base, ...fields }),
      );
    } catch {
      // A closed pipe or a broken disk must not take the tunnel down.
    }
  };
}

/** A log that writes nothing. */
export const noLog: Log = () => {};

function cleanFields(fields: LogFields): [name: string, value: string | number | boolean][] {
  const clean: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (clean.length === maxFields) {
      clean.push(["fields_dropped", true]);
      break;
    }
    if (secretName.test(snake(name))) clean.push([name, "[redacted]"]);
    else clean.push([name, typeof value === "string" ? bounded(value) : value]);
  }
  return clean;
}

function snake(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).replaceAll("-", "_").toLowerCase();
}

function bounded(text: string): string {
  return text.length > maxFieldChars
    ? `${text.slice(0, maxFieldChars)}…(+${text.length - maxFieldChars})`
    : text;
}

/** Control characters, line separators and bidirectional overrides could forge or hide lines in a terminal. */
export function escapeControls(text: string): string {
  return text.replaceAll(
    // deno-lint-ignore no-control-regex -- control characters are what is escaped
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function jsonLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  const record: Record<string, string | number | boolean> = { time, level, event: bounded(event) };
  for (const [name, value] of cleanFields(fields)) {
    // The three names of our own stay ours: a field cannot pass itself off as the event.
    record[Object.hasOwn(record, name) ? `${name}_` : name] = value;
  }
  // JSON escapes C0 already; what it leaves (C1, separators) is valid as the same \u escapes.
  return `${escapeControls(JSON.stringify(record))}\n`;
}

function textLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  const parts = cleanFields(fields).map(([name, value]) => `${escapeControls(name)}=${textValue(value)}`);
  const head = `${time} ${level.toUpperCase().padEnd(5)} ${escapeControls(bounded(event))}`;
  return `${[head, ...parts].join(" ")}\n`;
}

function textValue(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const escaped = escapeControls(value);
  return /^[^\s"=]+$/.test(escaped) ? escaped : JSON.stringify(value).replace(/.+/s, escapeControls);
}
