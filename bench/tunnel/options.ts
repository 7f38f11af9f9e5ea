/** Command line of the bench. */
import { CELLS, isChosen } from "./cells.ts";
import { PEERS } from "./peers/mod.ts";

export interface Options {
  readonly json: boolean;
  /** Update the README's table, and table, numbers and picture in docs/bench. */
  readonly write: boolean;
  readonly installPeers: boolean;
  /** CPU profiles of Postern under the chosen cells in place of a comparison. */
  readonly profile: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** Names of peers. */
  readonly peers: readonly string[];
  /** Prefixes of cells; every cell when empty. */
  readonly only: readonly string[];
  readonly binary?: string;
  readonly denoFlags: readonly string[];
}

export const USAGE = `Usage: deno task bench:tunnel [FLAGS]

  --quick             1 round of 1 s a cell: whether it works, not how fast it is
  --rounds N          rounds, interleaved; medians are told (3)
  --seconds N         duration of one cell (3)
  --peers A,B         ${PEERS.map(({ name }) => name).join(", ")} (all that are installed)
  --only A,B          cells whose name begins so, such as bulk.up, tcp.c48, rss, rtt.50
  --json              one object a line: {"metric","postern","peer","peer_value","ratio"}
  --write             put the table into README.md; all of it into docs/bench: tunnel.json, tunnel.md, tunnel.svg
  --install-peers     install what is missing: into .state/peers with go and cargo, else with apt
  --binary FILE       measure a compiled postern instead of the sources
  --deno-flags FLAGS  further flags for the measured deno; {role} in them is edge or agent
  --profile           CPU profiles of edge and agent under the cells of --only, into .state/profiles

Cells: ${CELLS.map(({ name }) => name).join(", ")}
`;

/** @throws Error for what cannot be understood */
export function parseOptions(args: readonly string[]): Options {
  const values = new Map<string, string>();
  const rest = [...args];
  for (let arg; (arg = rest.shift()) !== undefined;) {
    const [, name, attached] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (SWITCHES.has(name) && attached === undefined) values.set(name, "");
    else if (VALUES.has(name)) {
      const value = attached ?? rest.shift();
      if (value === undefined || value === "") throw new Error(`--${name} needs a value`);
      values.set(name, value);
    } else throw new Error(`unknown argument ${arg}`);
  }
  const quick = values.has("quick");
  const peers = list(values.get("peers"));
  for (const peer of peers) {
    if (!PEERS.some(({ name }) => name === peer)) throw new Error(`unknown peer ${peer}`);
  }
  const only = list(values.get("only"));
  for (const prefix of only) {
    if (!CELLS.some((cell) => isChosen(cell, [prefix]))) throw new Error(`no cell begins with ${prefix}`);
  }
  if (values.has("profile")) {
    if (only.length === 0) throw new Error("--profile needs --only: the load to look at");
    if (values.has("binary")) throw new Error("--profile needs the sources: it does not go with --binary");
  }
  return {
    json: values.has("json"),
    write: values.has("write"),
    installPeers: values.has("install-peers"),
    profile: values.has("profile"),
    rounds: number("rounds", values.get("rounds"), 100) ?? (quick ? 1 : 3),
    seconds: number("seconds", values.get("seconds"), 60) ?? (quick ? 1 : 3),
    peers: peers.length > 0 ? peers : PEERS.map(({ name }) => name),
    only,
    binary: values.get("binary"),
    denoFlags: (values.get("deno-flags") ?? "").split(" ").filter(Boolean),
  };
}

const SWITCHES = new Set(["quick", "json", "write", "install-peers", "profile"]);
const VALUES = new Set(["rounds", "seconds", "peers", "only", "binary", "deno-flags"]);

function list(text = ""): string[] {
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

function number(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new Error(`--${name} is a number from 1 to ${most}`);
  }
  return value;
}
