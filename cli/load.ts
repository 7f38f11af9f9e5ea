/** Joins flags, environment and file into the configuration of a command. */
import {
  type AgentConfig,
  agentSchema,
  type ConfigFile,
  defaultStateDirectory,
  type EdgeConfig,
  edgeSchema,
  type Layers,
  maxConfigFileBytes,
  parseConfigFile,
  resolve,
  type Resolved,
} from "../src/config/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { Call } from "./command.ts";

type Source = Pick<Call, "settings" | "values" | "env">;

/** Reads the file given with --config, if any. Throws what reading and parsing throw. */
async function readConfigFile(path: string | undefined): Promise<ConfigFile | undefined> {
  return path === undefined ? undefined : parseConfigFile(await readBoundedFile(path), path);
}

/** The text of a file of at most 1 MiB. Throws `config_file_unreadable`, `config_file_too_large`. */
export async function readBoundedFile(path: string): Promise<string> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) {
      throw new PosternError("config_file_unreadable", `Cannot read ${path}: it is not a regular file`);
    }
    if (size > maxConfigFileBytes) {
      throw new PosternError("config_file_too_large", `Cannot read ${path}: it is longer than 1 MiB`);
    }
    return await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    const state = cause instanceof Deno.errors.NotFound ? "it does not exist" : "it is not accessible";
    throw new PosternError("config_file_unreadable", `Cannot read ${path}: ${state}`, { cause });
  }
}

/** The configuration of an edge. */
export async function loadEdge(source: Source): Promise<Resolved<EdgeConfig>> {
  return resolve(edgeSchema, await layersOf("edge", source));
}

/** The configuration of an agent; `services` replace those of the file. */
export async function loadAgent(
  source: Source,
  services?: readonly Readonly<Record<string, string>>[],
): Promise<Resolved<AgentConfig>> {
  const layers = await layersOf("agent", source);
  return resolve(agentSchema, services === undefined ? layers : { ...layers, items: { services } });
}

async function layersOf(role: "edge" | "agent", { settings, values, env }: Source): Promise<Layers> {
  return {
    flags: settings,
    env,
    file: await readConfigFile(values.config),
    defaults: { state_directory: defaultStateDirectory(role, env) },
  };
}
