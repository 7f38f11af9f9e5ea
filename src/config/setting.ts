/**
 * A setting is one documented value with a default. Settings form groups, groups form a schema; the type of the
 * resolved configuration, the keys of the file, the environment names and the flags all follow from that one tree.
 *
 * ```
 *   property path        limits.maxAgents        heartbeat.intervalMs
 *   key in the file      limits.max_agents       heartbeat.interval        "Ms" goes away: durations carry their unit
 *   environment          POSTERN_LIMITS_MAX_AGENTS
 *   flag                 --limits-max-agents
 * ```
 */
import type { z } from "zod";

/** One value. `schema` takes the text of a flag or variable as well as the scalar of a file. */
export interface Setting<T> {
  readonly node: "setting";
  readonly schema: z.ZodType<T, unknown>;
  /** The default in the notation a user would write, or null when the setting is absent by default. */
  readonly defaultText: string | null;
  /** What help and reference pages say instead, where the default depends on the surroundings. */
  readonly shownDefault: string | null;
  /** One sentence for help and reference pages, with the cost of raising the value where there is one. */
  readonly help: string;
  /** What stands for the value in usage lines, e.g. "HOST:PORT". */
  readonly placeholder: string;
  /** Whether a value, a wrong one too, may hold a credential: messages do not repeat it. */
  readonly isSecret: boolean;
}

/** A list of groups; written in the file only. */
export interface ItemList<G extends Group> {
  readonly node: "list";
  readonly items: G;
  readonly help: string;
  /** Most items that are accepted. */
  readonly maxItems: number;
}

export interface Group {
  readonly [property: string]: Setting<unknown> | ItemList<Group> | Group;
}

/** The resolved values of a tree of settings. */
export type Values<N> = N extends Setting<infer T> ? T
  : N extends ItemList<infer G> ? readonly Values<G>[]
  : { readonly [K in keyof N]: Values<N[K]> };

/** A setting that always has a value. */
export function setting<T>(
  schema: z.ZodType<T, unknown>,
  defaultText: string,
  help: string,
  placeholder = "VALUE",
  shownDefault = defaultText,
): Setting<T> {
  return Object.freeze({
    node: "setting",
    schema,
    defaultText,
    shownDefault,
    help,
    placeholder,
    isSecret: false,
  });
}

/** A setting that is null until it is given. */
export function optional<T>(
  schema: z.ZodType<T, unknown>,
  help: string,
  placeholder = "VALUE",
): Setting<T | null> {
  return Object.freeze({
    node: "setting",
    schema: schema as z.ZodType<T | null, unknown>,
    defaultText: null,
    shownDefault: null,
    help,
    placeholder,
    isSecret: false,
  });
}

/** The same setting, its values never shown in messages. */
export function unshown<T>(setting: Setting<T>): Setting<T> {
  return Object.freeze({ ...setting, isSecret: true });
}

/** A list of groups. */
export function list<G extends Group>(items: G, maxItems: number, help: string): ItemList<G> {
  return Object.freeze({ node: "list", items, maxItems, help });
}

export function isSetting(node: Setting<unknown> | ItemList<Group> | Group): node is Setting<unknown> {
  return node.node as unknown === "setting";
}

export function isList(node: Setting<unknown> | ItemList<Group> | Group): node is ItemList<Group> {
  return node.node as unknown === "list";
}

/** `maxAgents` -> `max_agents`, `peekMs` -> `peek`, `stage0Ms` -> `stage0`. */
export function keyOfProperty(property: string): string {
  return property.replace(/(?<=.)Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `limits.max_agents` -> `POSTERN_LIMITS_MAX_AGENTS`. */
export function environmentNameOf(key: string): string {
  return `POSTERN_${key.replaceAll(".", "_").toUpperCase()}`;
}

/** `limits.max_agents` -> `limits-max-agents` (without the dashes in front). */
export function flagNameOf(key: string): string {
  return key.replaceAll(/[._]/g, "-");
}

/** A leaf of the tree with its names. */
export interface NamedSetting {
  readonly key: string;
  readonly environment: string;
  readonly flag: string;
  readonly setting: Setting<unknown>;
}

/** All settings of a tree in their order of declaration; lists are left out. */
export function settingsOf(group: Group, prefix = ""): NamedSetting[] {
  return Object.entries(group).flatMap(([property, node]) => {
    const key = prefix + keyOfProperty(property);
    if (isSetting(node)) {
      return [{ key, environment: environmentNameOf(key), flag: flagNameOf(key), setting: node }];
    }
    return isList(node) ? [] : settingsOf(node as Group, `${key}.`);
  });
}
