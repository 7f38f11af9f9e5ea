/** Merging: flag > environment > file > default, with the origin of every value. */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { type ConfigFile, type FileEntry, type FileNode, placeIn } from "./file.ts";
import {
  environmentNameOf,
  flagNameOf,
  type Group,
  isList,
  isSetting,
  type ItemList,
  keyOfProperty,
  type Setting,
  settingsOf,
  type Values,
} from "./setting.ts";
import { didYouMean, nearest } from "./suggest.ts";

/** A tree of settings with the rules between them. */
export interface Schema<G extends Group, T> {
  readonly name: "edge" | "agent";
  readonly settings: G;
  /** Checks what holds between settings and derives what follows from them. */
  readonly finish: (values: Values<G>) => T;
}

/** Where the values come from. Every part is optional; earlier parts win. */
export interface Layers {
  /** Text by flag name without dashes, e.g. `{"limits-max-agents": "10"}`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** The process environment; only POSTERN_* is looked at, and an empty variable counts as absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly file?: ConfigFile;
  /** Defaults that depend on the machine, by key; they win over the documented ones. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Items of a list by its key, as text by item key; they replace the file's list. */
  readonly items?: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
}

/** Where one value came from: `where` is the flag, the variable or the place in the file. */
export interface Origin {
  readonly layer: "flag" | "environment" | "file" | "default";
  readonly where: string;
}

export interface Resolved<T> {
  /** Frozen, all the way down. */
  readonly config: T;
  /** By key, e.g. `limits.max_agents`, `services[0].target`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Sentences for the operator about what is probably a mistake. */
  readonly warnings: readonly string[];
}

/** Most problems that one error reports. */
const maxProblems = 10;

interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Merges the layers into one checked configuration. All problems are reported in one error, a line each.
 * Throws `config_key_unknown`, `config_value_invalid`, `config_conflict`. Messages repeat what is wrong,
 * shortened and escaped, unless the setting may hold a credential.
 */
export function resolve<G extends Group, T>(schema: Schema<G, T>, layers: Layers): Resolved<T> {
  const merge = new Merge(layers);
  const values = merge.group(schema.settings, layers.file?.entries, "", true);
  if (merge.problems.length > 0) {
    const lines = merge.problems.slice(0, maxProblems).map((problem) => problem.message);
    const rest = merge.problems.length - lines.length;
    if (rest > 0) lines.push(`and ${rest} more`);
    throw new PosternError(merge.problems[0].code, lines.join("\n"), {
      detail: { problems: merge.problems.length },
    });
  }
  return {
    config: freezeDeep(schema.finish(values as Values<G>)),
    origins: merge.origins,
    warnings: environmentWarnings(schema.settings, layers.env ?? {}),
  };
}

class Merge {
  readonly problems: Problem[] = [];
  readonly origins = new Map<string, Origin>();
  readonly #layers: Layers;

  constructor(layers: Layers) {
    this.#layers = layers;
  }

  group(
    group: Group,
    entries: ReadonlyMap<string, FileEntry> | undefined,
    prefix: string,
    top: boolean,
  ): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    const known = new Set<string>();
    for (const [property, node] of Object.entries(group)) {
      const name = keyOfProperty(property);
      known.add(name);
      const entry = entries?.get(name);
      const key = prefix + name;
      if (isSetting(node)) values[property] = this.#setting(node, key, entry, top);
      else if (isList(node)) values[property] = this.#list(node, key, entry);
      else values[property] = this.group(node, this.#mapOf(entry, key), `${key}.`, top);
    }
    for (const [name, entry] of entries ?? []) {
      if (known.has(name)) continue;
      const shown = escapeKey(name);
      this.#refuse(
        "config_key_unknown",
        `Cannot read ${this.#place(entry.at)}: unknown key "${prefix}${shown}"${didYouMean(name, known)}`,
      );
    }
    return values;
  }

  #setting(setting: Setting<unknown>, key: string, entry: FileEntry | undefined, top: boolean): unknown {
    const [raw, origin] = this.#pick(setting, key, entry, top);
    this.origins.set(key, origin);
    if (raw === undefined) return null;
    const result = setting.schema.safeParse(raw);
    if (result.success) return result.data;
    const where = origin.layer === "default" ? `the default of ${key}` : origin.where;
    const name = origin.layer === "file" ? ` (${key})` : "";
    const { message } = result.error.issues[0];
    this.#refuse("config_value_invalid", `Cannot use ${where}${name}: ${message}${shown(setting, raw)}`);
    return null;
  }

  #pick(
    setting: Setting<unknown>,
    key: string,
    entry: FileEntry | undefined,
    top: boolean,
  ): [raw: unknown, origin: Origin] {
    const { flags = {}, env = {}, defaults = {} } = this.#layers;
    if (top) {
      const flag = flagNameOf(key);
      if (Object.hasOwn(flags, flag)) return [flags[flag], { layer: "flag", where: `--${flag}` }];
      const variable = environmentNameOf(key);
      const text = Object.hasOwn(env, variable) ? env[variable] : undefined;
      if (text !== undefined && text !== "") return [text, { layer: "environment", where: variable }];
    }
    if (entry !== undefined) {
      const raw = plainOf(entry.value);
      if (raw !== null) return [raw, { layer: "file", where: this.#place(entry.value.at) }];
    }
    const fallback = top && Object.hasOwn(defaults, key) ? defaults[key] : setting.defaultText;
    return [fallback ?? undefined, { layer: "default", where: "default" }];
  }

  #list(list: ItemList<Group>, key: string, entry: FileEntry | undefined): unknown[] {
    const given = this.#layers.items?.[key];
    if (given !== undefined) {
      return given.map((item, index) => this.#givenItem(list.items, item, `${key}[${index}]`));
    }
    if (entry === undefined || plainOf(entry.value) === null) return [];
    const node = entry.value;
    if (node.kind !== "list" || node.items.length > list.maxItems) {
      this.#refuse(
        "config_value_invalid",
        `Cannot use ${this.#place(node.at)} (${key}): expected a list of at most ${list.maxItems} items`,
      );
      return [];
    }
    return node.items.map((item, index) => {
      const itemKey = `${key}[${index}]`;
      return this.group(list.items, this.#mapOf({ at: item.at, value: item }, itemKey), `${itemKey}.`, false);
    });
  }

  /** @param under key of the group within the item */
  #givenItem(
    group: Group,
    item: Readonly<Record<string, string>>,
    prefix: string,
    under = "",
  ): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const [property, node] of Object.entries(group)) {
      const key = under + keyOfProperty(property);
      if (isSetting(node)) values[property] = this.#givenSetting(node, key, item[key], `${prefix}.${key}`);
      else values[property] = isList(node) ? [] : this.#givenItem(node, item, prefix, `${key}.`);
    }
    return values;
  }

  #givenSetting(setting: Setting<unknown>, key: string, given: string | undefined, full: string): unknown {
    const raw = given ?? setting.defaultText;
    this.origins.set(full, {
      layer: given === undefined ? "default" : "flag",
      where: given === undefined ? "default" : "command line",
    });
    const result = raw === null ? undefined : setting.schema.safeParse(raw);
    if (result !== undefined && !result.success) {
      // The flag of a rule is the rule's own name.
      const flag = flagNameOf(key.replace(/^rules\./, ""));
      const { message } = result.error.issues[0];
      this.#refuse("config_value_invalid", `Cannot use --${flag}: ${message}${shown(setting, raw)}`);
    }
    return result?.data ?? null;
  }

  #mapOf(entry: FileEntry | undefined, key: string): ReadonlyMap<string, FileEntry> | undefined {
    if (entry === undefined) return undefined;
    if (entry.value.kind === "map") return entry.value.entries;
    if (plainOf(entry.value) !== null) {
      this.#refuse(
        "config_value_invalid",
        `Cannot use ${this.#place(entry.value.at)} (${key}): expected a map of settings`,
      );
    }
    return undefined;
  }

  #place(at: string): string {
    return this.#layers.file === undefined ? at : placeIn(this.#layers.file, at);
  }

  #refuse(code: ErrorCode, message: string): void {
    this.problems.push({ code, message });
  }
}

/** Scalars and lists as they are; a map becomes a Map, which most notations refuse. */
function plainOf(node: FileNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plainOf);
  return new Map([...node.entries].map(([name, { value }]) => [name, plainOf(value)]));
}

/** Most characters of a wrong value that a message repeats. */
const maxShownChars = 48;

/** What was given instead; nothing where it is a list or map, or may hold a credential. */
function shown({ isSecret }: Setting<unknown>, raw: unknown): string {
  if (isSecret || typeof raw === "object") return "";
  const text = String(raw);
  const cut = text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text;
  // Nothing that a terminal acts on, or that turns the direction of text around.
  const safe = JSON.stringify(cut).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
  return `, not ${safe}`;
}

/** File text in a message: printable, and short. */
function escapeKey(name: string): string {
  return JSON.stringify(name.slice(0, 64)).slice(1, -1);
}

/** Orchestrators put names of their own into the environment (POSTERN_PORT), so only near misses are mentioned. */
function environmentWarnings(group: Group, env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set([...settingsOf(group).map((named) => named.environment), ...otherVariables]);
  return Object.keys(env).filter((name) => name.startsWith("POSTERN_") && !known.has(name)).flatMap(
    (name) => {
      const candidate = nearest(
        name.slice("POSTERN_".length),
        [...known].map((n) => n.slice("POSTERN_".length)),
      );
      return candidate === undefined ? [] : [`${name} is not a setting; did you mean POSTERN_${candidate}?`];
    },
  );
}

/** Variables of the command line itself. */
const otherVariables: readonly string[] = [
  "POSTERN_CONFIG",
  "POSTERN_DEBUG",
  "POSTERN_PROGRAM",
  "POSTERN_NAME",
  "POSTERN_HOST_HEADER",
  "POSTERN_WEIGHT",
  "POSTERN_PROXY_PROTOCOL",
];

function freezeDeep<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freezeDeep(part);
  }
  return value;
}
