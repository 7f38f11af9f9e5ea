/** The configuration file: YAML 1.2 without anchors, aliases and tags, as a tree that knows its places. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Scalar } from "yaml";
import { PosternError } from "../errors/mod.ts";

/** A configuration of every setting and 128 services is below 64 KiB. */
export const maxConfigFileBytes = 1_048_576;

/** Levels of maps and lists; the schema has four. */
const maxDepth = 16;

/** The only version there is. */
const supportedVersion = 1;

/** A part of the file with its `line:column`, both from 1. */
export type FileNode =
  | { readonly kind: "map"; readonly at: string; readonly entries: ReadonlyMap<string, FileEntry> }
  | { readonly kind: "list"; readonly at: string; readonly items: readonly FileNode[] }
  | { readonly kind: "scalar"; readonly at: string; readonly value: unknown };

export interface FileEntry {
  /** Place of the key. */
  readonly at: string;
  readonly value: FileNode;
}

/** A parsed file; `version` is checked and taken out. */
export interface ConfigFile {
  /** As the user wrote it, for messages. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, FileEntry>;
}

/** `postern.yaml:3:5`. */
export function placeIn(file: ConfigFile, at: string): string {
  return `${file.name}:${at}`;
}

/**
 * Parses the text of a configuration file.
 * Throws `config_file_too_large`, `config_syntax_invalid`, `config_version_unsupported`; places are `name:line:column`.
 */
export function parseConfigFile(text: string, name: string): ConfigFile {
  const root = parseTree(text, name);
  if (root.kind === "list" || (root.kind === "scalar" && root.value !== null)) {
    throw new PosternError(
      "config_syntax_invalid",
      `Cannot read ${name}:1:1: the top level must be a map of settings`,
    );
  }
  const entries = new Map(root.kind === "map" ? root.entries : []);
  checkVersion(entries.get("version"), name);
  entries.delete("version");
  return { name, entries };
}

/**
 * The values of any other YAML or JSON file, without their places. Throws `config_file_too_large`, `config_syntax_invalid`.
 */
export function parseDocumentFile(text: string, name: string): unknown {
  const plain = (node: FileNode): unknown => {
    switch (node.kind) {
      case "scalar":
        return node.value;
      case "list":
        return node.items.map(plain);
      case "map":
        return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plain(value)]));
      default:
        return node satisfies never;
    }
  };
  return plain(parseTree(text, name, true));
}

/** @param numberKeys whether keys may be numbers: they are taken as they are spelled */
function parseTree(text: string, name: string, numberKeys = false): FileNode {
  if (text.length > maxConfigFileBytes) {
    throw new PosternError("config_file_too_large", `Cannot read ${name}: it is longer than 1 MiB`);
  }
  const lines = new LineCounter();
  const document = parse(text, name, lines);
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const refuse = (offset: number, what: string): never => {
    throw new PosternError("config_syntax_invalid", `Cannot read ${name}:${place(offset)}: ${what}`);
  };
  const [problem] = document.errors;
  if (problem !== undefined) refuse(problem.pos[0], firstLine(problem.message));
  const [warning] = document.warnings;
  if (warning !== undefined) refuse(warning.pos[0], firstLine(warning.message));

  const read = (node: unknown, fallback: number, depth: number): FileNode => {
    const offset = rangeStart(node) ?? fallback;
    if (depth > maxDepth) refuse(offset, `nested deeper than ${maxDepth} levels`);
    if (isAlias(node)) refuse(offset, "aliases are not accepted");
    if (hasExtras(node)) refuse(offset, "anchors and tags are not accepted");
    const at = place(offset);
    if (isScalar(node)) return { kind: "scalar", at, value: node.value };
    if (isSeq(node)) {
      return {
        kind: "list",
        at,
        items: node.items.map((item) => read(item, offset, depth + 1)),
      };
    }
    if (!isMap(node)) return { kind: "scalar", at, value: null };
    const entries = new Map<string, FileEntry>();
    for (const pair of node.items) {
      const keyOffset = rangeStart(pair.key) ?? offset;
      const key = isScalar(pair.key) && !hasExtras(pair.key) ? keyOf(pair.key, numberKeys) : undefined;
      if (key === undefined) return refuse(keyOffset, "a key must be plain text");
      entries.set(key, { at: place(keyOffset), value: read(pair.value, keyOffset, depth + 1) });
    }
    return { kind: "map", at, entries };
  };
  return read(document.contents, 0, 0);
}

function keyOf({ value, source }: Scalar, numberKeys: boolean): string | undefined {
  return typeof value === "string" ? value : numberKeys && typeof value === "number" ? source : undefined;
}

function parse(text: string, name: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      version: "1.2",
      schema: "core",
      merge: false,
    });
  } catch (cause) {
    // The parser recurses: thousands of brackets end its stack instead of coming back as an error.
    throw new PosternError(
      "config_syntax_invalid",
      `Cannot read ${name}: nested deeper than the parser can follow`,
      {
        cause,
      },
    );
  }
}

function checkVersion(entry: FileEntry | undefined, name: string): void {
  if (entry === undefined) {
    throw new PosternError("config_version_unsupported", `Cannot read ${name}: it has no \`version: 1\``);
  }
  if (entry.value.kind !== "scalar" || entry.value.value !== supportedVersion) {
    throw new PosternError(
      "config_version_unsupported",
      `Cannot read ${name}:${entry.at}: only version ${supportedVersion} is supported`,
    );
  }
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0];
}

function hasExtras(node: unknown): boolean {
  const extras = node as { anchor?: string; tag?: string } | null;
  return extras?.anchor !== undefined || extras?.tag !== undefined;
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0].slice(0, 200);
}
