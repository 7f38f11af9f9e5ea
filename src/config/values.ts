/**
 * The notations of values. Each reader takes the text of a flag or variable and the scalar of a file, and says what it
 * expected instead of what went wrong inside it.
 */
import { z } from "zod";
import { ipBytes, parseAddressBlock } from "../bytes/mod.ts";
import { isNodeId } from "../pki/mod.ts";
import { type Address, parseAddress, type PortRange } from "./address.ts";
import { isNoProxyRule } from "./no_proxy.ts";
import { maxPcr } from "../attestation/mod.ts";
import { parseTpmAddress, type TpmAddress } from "./tpm_address.ts";

/** Longest text value. Keeps messages and memory bounded whatever a file holds. */
const maxTextChars = 4096;

/** A schema from a reader that returns undefined for what it does not accept. */
export function notation<T>(expected: string, read: (raw: unknown) => T | undefined): z.ZodType<T, unknown> {
  return z.unknown().transform((raw, context): T => {
    const value = read(raw);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", message: `expected ${expected}`, input: raw });
    return z.NEVER;
  });
}

function textOf(raw: unknown): string | undefined {
  if (typeof raw === "string") return raw.trim();
  return typeof raw === "number" && Number.isFinite(raw) ? String(raw) : undefined;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads "250ms", "30s", "5m", "24h", "7d", "1m30s" and "0" as milliseconds; undefined otherwise. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:\d{1,12}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * unitMs[unit];
  }
  return Number.isSafeInteger(totalMs) ? totalMs : undefined;
}

/** The shortest notation of whole milliseconds: 90000 -> "90s", 300000 -> "5m". */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0";
  for (const unit of ["d", "h", "m", "s"]) if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  return `${ms}ms`;
}

/** Milliseconds, written with a unit. A bare number is refused: nobody can tell its unit. */
export function duration(minMs: number, maxMs: number): z.ZodType<number, unknown> {
  return notation(
    `a duration from ${formatDuration(minMs)} to ${
      formatDuration(maxMs)
    } with its unit (250ms, 30s, 5m, 24h)`,
    (raw) => {
      const ms = parseDuration(textOf(raw) ?? "");
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
  );
}

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
};

/** Reads "65536", "64KiB", "1MiB", "2GiB" (and kB, MB, GB) as bytes; undefined otherwise. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,15})(B|KiB|MiB|GiB|kB|MB|GB)?$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * unitBytes[match[2] ?? ""];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest binary notation of a size: 65536 -> "64KiB". */
export function formatSize(bytes: number): string {
  for (const unit of ["GiB", "MiB", "KiB"]) {
    if (bytes > 0 && bytes % unitBytes[unit] === 0) return `${bytes / unitBytes[unit]}${unit}`;
  }
  return `${bytes}B`;
}

/** Bytes. */
export function size(minBytes: number, maxBytes: number): z.ZodType<number, unknown> {
  return notation(
    `a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)} (4096, 64KiB, 1MiB)`,
    (raw) => {
      const bytes = parseSize(textOf(raw) ?? "");
      return bytes !== undefined && bytes >= minBytes && bytes <= maxBytes ? bytes : undefined;
    },
  );
}

/** A whole number. */
export function count(min: number, max: number): z.ZodType<number, unknown> {
  return notation(`a whole number from ${min} to ${max}`, (raw) => {
    const text = textOf(raw);
    if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  });
}

const unitsOfRate: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** So many in so long. */
export interface Rate {
  readonly count: number;
  readonly everyMs: number;
}

/** Reads "100/s", "30/m" and "500/h"; undefined otherwise. */
function parseRate(text: string, maxPerSecond: number): Rate | undefined {
  const match = /^([1-9]\d{0,11})\/([smh])$/.exec(text);
  if (match === null) return undefined;
  const rate = { count: Number(match[1]), everyMs: unitsOfRate[match[2]] };
  return rate.count * 1_000 / rate.everyMs <= maxPerSecond ? rate : undefined;
}

/** The notation that {@link rateOf} reads. */
export function formatRate({ count, everyMs }: Rate): string {
  return `${count}/${Object.keys(unitsOfRate).find((unit) => unitsOfRate[unit] === everyMs)}`;
}

/** A rate with its unit. */
export function rateOf(maxPerSecond: number): z.ZodType<Rate, unknown> {
  return notation(
    `a rate with its unit, at most ${maxPerSecond}/s (100/s, 30/m, 500/h)`,
    (raw) => parseRate(textOf(raw) ?? "", maxPerSecond),
  );
}

/** A rate, or "off" as null. */
export function rateOrOff(maxPerSecond: number): z.ZodType<Rate | null, unknown> {
  return notation<Rate | null>(
    `off, or a rate with its unit, at most ${maxPerSecond}/s (100/s, 30/m, 500/h)`,
    (raw) => raw === "off" || raw === false ? null : parseRate(textOf(raw) ?? "", maxPerSecond),
  );
}

/** true or false. */
export function toggle(): z.ZodType<boolean, unknown> {
  return notation("true or false", (raw) => {
    if (typeof raw === "boolean") return raw;
    return raw === "true" ? true : raw === "false" ? false : undefined;
  });
}

/** true or false; "auto", as null, leaves the decision to what else is configured. */
export function toggleOrAuto(): z.ZodType<boolean | null, unknown> {
  return notation<boolean | null>("auto, true or false", (raw) => {
    if (typeof raw === "boolean") return raw;
    return raw === "true" ? true : raw === "false" ? false : raw === "auto" ? null : undefined;
  });
}

/** One of the given words. */
export function word<const W extends readonly string[]>(...words: W): z.ZodType<W[number], unknown> {
  return z.enum(words, { error: () => `expected ${words.join(" or ")}` });
}

/** Non-empty text without control characters, e.g. a path. */
export function text(what: string): z.ZodType<string, unknown> {
  return notation(what, (raw) => {
    const value = textOf(raw);
    // deno-lint-ignore no-control-regex -- control characters are what is refused
    const clean = value !== undefined && value.length <= maxTextChars && !/[\u0000-\u001f\u007f]/.test(value);
    return clean && value !== "" ? value : undefined;
  });
}

/** A file or directory. */
export function path(): z.ZodType<string, unknown> {
  return text("a path");
}

/** One DNS label (RFC 1123 2.1), lower case: the name of an edge or a region. */
export function label(): z.ZodType<string, unknown> {
  return notation("a name of lower-case letters, digits and hyphens, at most 63", (raw) => {
    const value = textOf(raw);
    return value !== undefined && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(value) ? value : undefined;
  });
}

/** A label, or `*.label` for every host one label below it. */
export function serviceName(): z.ZodType<string, unknown> {
  return notation(
    "a name of lower-case letters, digits and hyphens, at most 63, or *. and such a name",
    (raw) => {
      const value = textOf(raw);
      return value !== undefined && /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(value)
        ? value
        : undefined;
    },
  );
}

/** A DNS name, lower case. */
export function hostName(): z.ZodType<string, unknown> {
  return notation("a host name such as tunnels.example.com", (raw) => {
    const value = textOf(raw)?.toLowerCase();
    if (value === undefined || value.length > 253) return undefined;
    return value.split(".").every((part) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(part))
      ? value
      : undefined;
  });
}

/** `host:port`. */
export function address(): z.ZodType<Address, unknown> {
  return notation("HOST:PORT such as 127.0.0.1:8080 or [::1]:8080", (raw) => parseAddress(textOf(raw) ?? ""));
}

/** `host:port`, or a port of this machine, as on the command line. */
export function targetAddress(): z.ZodType<Address, unknown> {
  return notation("a port or HOST:PORT such as 3000 or 127.0.0.1:3000", (raw) => {
    const text = textOf(raw) ?? "";
    return parseAddress(/^\d{1,5}$/.test(text) ? `127.0.0.1:${text}` : text);
  });
}

/** `host:port`, or "off" as null. */
export function addressOrOff(): z.ZodType<Address | null, unknown> {
  return notation<Address | null>(
    "HOST:PORT or off",
    (raw) => raw === "off" || raw === false ? null : parseAddress(textOf(raw) ?? ""),
  );
}

/** Where a TPM is, or "off" as null. */
export function tpmAddressOrOff(): z.ZodType<TpmAddress | null, unknown> {
  return notation<TpmAddress | null>(
    "unix:/PATH, tcp:HOST:PORT, the path of a device, stdio or off",
    (raw) => raw === "off" || raw === false ? null : parseTpmAddress(textOf(raw) ?? ""),
  );
}

/** PCRs, ascending and each once, or "none" as an empty list. */
export function pcrs(): z.ZodType<readonly number[], unknown> {
  return notation("PCRs from 0 to 23 such as 0,2,7, or none", (raw) => {
    if (raw === "none" || raw === "") return Object.freeze([]);
    const texts = Array.isArray(raw) ? raw.map(textOf) : textOf(raw)?.split(",");
    if (!texts?.every((text) => text !== undefined && /^\s*\d{1,2}\s*$/.test(text))) return undefined;
    const numbers = [...new Set(texts.map(Number))].sort((a, b) => a - b);
    return numbers.every((pcr) => pcr <= maxPcr) ? Object.freeze(numbers) : undefined;
  });
}

/** `first-last`, or "off" as null. */
export function portRangeOrOff(): z.ZodType<PortRange | null, unknown> {
  return notation<PortRange | null>("a port range such as 20000-20999, or off", (raw) => {
    if (raw === "off" || raw === false) return null;
    const match = /^(\d{1,5})-(\d{1,5})$/.exec(textOf(raw) ?? "");
    if (match === null) return undefined;
    const range = { first: Number(match[1]), last: Number(match[2]) };
    return range.first >= 1 && range.first <= range.last && range.last <= 65_535 ? range : undefined;
  });
}

/** An absolute URL of one of the schemes, without credentials, query or fragment; no slash at its end. */
export function url(...schemes: readonly string[]): z.ZodType<string, unknown> {
  return notation(
    `a URL that starts with ${schemes.map((s) => `${s}://`).join(" or ")}, without credentials`,
    (raw) => urlOf(textOf(raw) ?? "", schemes),
  );
}

/** One to `maxItems` of what {@link url} takes, each once; a flag or variable separates them by commas. */
export function urls(maxItems: number, ...schemes: readonly string[]): z.ZodType<readonly string[], unknown> {
  return notation(
    `one to ${maxItems} URLs that start with ${
      schemes.map((s) => `${s}://`).join(" or ")
    }, without credentials`,
    (raw) => {
      const found = itemsOf(raw, maxItems)?.map((item) => urlOf(item, schemes));
      if (found === undefined || found.length === 0) return undefined;
      const all = found.filter((item) => item !== undefined);
      return all.length === found.length ? Object.freeze([...new Set(all)]) : undefined;
    },
  );
}

function urlOf(value: string, schemes: readonly string[]): string | undefined {
  if (value.length > maxTextChars || !URL.canParse(value)) return undefined;
  const parsed = new URL(value);
  if (!schemes.includes(parsed.protocol.slice(0, -1)) || parsed.hostname === "") return undefined;
  if (parsed.username !== "" || parsed.password !== "" || parsed.search !== "" || parsed.hash !== "") {
    return undefined;
  }
  return parsed.href.replace(/\/$/, "");
}

/** A list of address blocks in CIDR notation; a flag or variable separates them by commas. */
export function addressBlocks(maxItems: number): z.ZodType<readonly string[], unknown> {
  return notation(`at most ${maxItems} address blocks such as 10.0.0.0/8, fd00::/8`, (raw) => {
    const blocks = itemsOf(raw, maxItems);
    return blocks?.every((block) => parseAddressBlock(block) !== undefined)
      ? Object.freeze(blocks)
      : undefined;
  });
}

/** Some of the given words, at least one; a flag or variable separates them by commas. */
export function someOf<const W extends readonly string[]>(
  ...words: W
): z.ZodType<readonly W[number][], unknown> {
  return notation(`${words.join(", ")}, or some of them`, (raw) => {
    const items = itemsOf(raw, words.length);
    const isKnown = items !== undefined && items.length > 0 && items.every((item) => words.includes(item));
    return isKnown ? Object.freeze(words.filter((word) => items.includes(word))) : undefined;
  });
}

/** A list of hosts that are reached without the proxy; a flag or variable separates them by commas. */
export function noProxyRules(maxItems: number): z.ZodType<readonly string[], unknown> {
  return notation(
    `at most ${maxItems} hosts such as example.com, .example.com, 10.0.0.0/8, [::1]:8080, or *`,
    (raw) => {
      const rules = itemsOf(raw, maxItems);
      return rules?.every(isNoProxyRule) ? Object.freeze(rules) : undefined;
    },
  );
}

function itemsOf(raw: unknown, maxItems: number): string[] | undefined {
  const items = Array.isArray(raw) ? raw : typeof raw === "string" ? raw.split(",") : undefined;
  if (items === undefined || items.length > maxItems) return undefined;
  return items.map((item) => typeof item === "string" ? item.trim() : "").filter((item) => item !== "");
}

/** Id of a node within its role. */
export function nodeId(): z.ZodType<string, unknown> {
  return notation("an id of letters, digits and ._-", (raw) => {
    const text = textOf(raw);
    return text !== undefined && isNodeId(text) ? text : undefined;
  });
}

/** An IPv4 or IPv6 address. */
export function ipAddress(): z.ZodType<string, unknown> {
  return notation("an IP address", (raw) => {
    const text = textOf(raw);
    return text !== undefined && ipBytes(text) !== undefined ? text : undefined;
  });
}

/** Addresses, in the order of preference; a flag or variable separates them by commas. */
export function addresses(maxItems: number): z.ZodType<readonly Address[], unknown> {
  return notation(`at most ${maxItems} of HOST:PORT`, (raw) => {
    const found = itemsOf(raw, maxItems)?.map(parseAddress);
    return found?.every((one) => one !== undefined) ? Object.freeze(found) : undefined;
  });
}

/** A list of texts without white space; a flag or variable separates them by commas. */
export function textList(
  maxItems: number,
  maxChars: number,
  what: string,
): z.ZodType<readonly string[], unknown> {
  return notation(`at most ${maxItems} ${what}`, (raw) => {
    const items = itemsOf(raw, maxItems);
    return items?.every((item) => item.length <= maxChars && /^[\x21-\x2b\x2d-\x7e]+$/.test(item))
      ? Object.freeze(items)
      : undefined;
  });
}
