/** Command line of the bench. */
import { PEERS } from "./peers/mod.ts";

export interface Options {
  readonly json: boolean;
  /** Update the README's table and docs/bench/tunnel.json. */
  readonly write: boolean;
  readonly installPeers: boolean;
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
  --only A,B          cells whose name begins so, such as bulk.up, tcp.c48, rss
  --json              one object a line: {"metric","postern","peer","peer_value","ratio"}
  --write             put the table into README.md and docs/bench/tunnel.json
  --install-peers     install what is missing into .state/peers, with go
  --binary FILE       measure a compiled postern instead of the sources
  --deno-flags FLAGS  further flags for the measured deno, such as --deno-flags=--cpu-prof
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
  return {
    json: values.has("json"),
    write: values.has("write"),
    installPeers: values.has("install-peers"),
    rounds: number("rounds", values.get("rounds"), 100) ?? (quick ? 1 : 3),
    seconds: number("seconds", values.get("seconds"), 60) ?? (quick ? 1 : 3),
    peers: peers.length > 0 ? peers : PEERS.map(({ name }) => name),
    only: list(values.get("only")),
    binary: values.get("binary"),
    denoFlags: (values.get("deno-flags") ?? "").split(" ").filter(Boolean),
  };
}

const SWITCHES = new Set(["quick", "json", "write", "install-peers"]);
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
