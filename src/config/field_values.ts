/** Notations of header fields: names, and lines of name and value. */
import type { z } from "zod";
import { isFieldName, isFieldValue, isManagedField, parseAuthority } from "../http1/mod.ts";
import { notation } from "./values.ts";

/** A name and its value. */
export type FieldLine = readonly [name: string, value: string];

function isName(name: string): boolean {
  return name.length <= 128 && isFieldName(name) && !isManagedField(name);
}

/** A list in the file; text separated by commas in a flag. */
export function fieldNames(maxItems: number): z.ZodType<readonly string[], unknown> {
  return notation(
    `at most ${maxItems} field names, and none that the edge says itself (framing, Host, X-Forwarded-*, X-Postern-*)`,
    (raw) => {
      const items = Array.isArray(raw) ? raw : typeof raw === "string" ? raw.split(",") : undefined;
      const names = items?.map((item) => String(item).trim()).filter((name) => name !== "");
      return names !== undefined && names.length <= maxItems && names.every(isName)
        ? Object.freeze(names)
        : undefined;
    },
  );
}

/** A map of name to value in the file, or a list of `NAME: VALUE`; lines of these in a flag. */
export function fieldLines(maxItems: number): z.ZodType<readonly FieldLine[], unknown> {
  return notation(
    `at most ${maxItems} fields, NAME: VALUE, and none that the edge says itself (framing, Host, X-Forwarded-*, X-Postern-*)`,
    (raw) => {
      const lines = linesOf(raw);
      return lines !== undefined && lines.length <= maxItems &&
          lines.every(([name, value]) => isName(name) && value.length <= 4_096 && isFieldValue(value))
        ? Object.freeze(lines)
        : undefined;
    },
  );
}

function linesOf(raw: unknown): FieldLine[] | undefined {
  if (raw instanceof Map) {
    const entries = [...raw];
    return entries.every(([, value]) => isScalar(value))
      ? entries.map(([name, value]) => [String(name), String(value).trim()])
      : undefined;
  }
  const items = Array.isArray(raw) ? raw : typeof raw === "string" ? raw.split("\n") : undefined;
  if (items === undefined) return undefined;
  const lines: FieldLine[] = [];
  for (const item of items) {
    // `- NAME: VALUE` is a map of one entry in YAML.
    const some = item instanceof Map ? linesOf(item) : typeof item === "string" ? [lineOf(item)] : undefined;
    if (some === undefined) return undefined;
    lines.push(...some.filter(([name, value]) => name !== "" || value !== ""));
  }
  return lines;
}

function lineOf(text: string): FieldLine {
  const colon = text.indexOf(":");
  return colon < 0 ? [text.trim(), ""] : [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function isScalar(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** `original`, `rewrite`, or a Host value (RFC 9110 7.2). */
export function hostHeader(): z.ZodType<string, unknown> {
  return notation("original, rewrite, or a host name with or without a port", (raw) => {
    const value = typeof raw === "string" ? raw.trim() : "";
    if (value === "original" || value === "rewrite") return value;
    return value !== "" && parseAuthority(value) !== null ? value : undefined;
  });
}
