/** Command line of the bench. */
export interface Options {
  readonly nodes: number;
  readonly seconds: number;
  /** Life of a certificate. */
  readonly lifeSeconds: number;
  readonly postgres: boolean;
  readonly json: boolean;
}

export const USAGE = `Usage: deno task bench:nodes [FLAGS]

  --nodes N        connectors that are enrolled, connected and renew (1000)
  --seconds N      time that is measured (60)
  --life SECONDS   life of their certificates, 60 or more (60)
  --postgres       control keeps its state in PostgreSQL instead of SQLite (Debian package postgresql)
  --json           one object instead of the table
`;

const numbers = new Map([["nodes", [1, 10_000]], ["seconds", [1, 3_600]], ["life", [60, 86_400]]]);

/** @throws Error for what cannot be understood */
export function parseOptions(args: readonly string[]): Options {
  const values = new Map([["nodes", 1_000], ["seconds", 60], ["life", 60]]);
  const switches = new Set<string>();
  const rest = [...args];
  for (let arg; (arg = rest.shift()) !== undefined;) {
    const [, name = "", attached] = /^--([a-z]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const range = numbers.get(name);
    if (range !== undefined) {
      const value = Number(attached ?? rest.shift());
      const [least, most] = range;
      if (!Number.isInteger(value) || value < least || value > most) {
        throw new Error(`--${name} is a number from ${least} to ${most}`);
      }
      values.set(name, value);
    } else if ((name === "postgres" || name === "json") && attached === undefined) switches.add(name);
    else throw new Error(`unknown argument ${arg}`);
  }
  return {
    nodes: values.get("nodes")!,
    seconds: values.get("seconds")!,
    lifeSeconds: values.get("life")!,
    postgres: switches.has("postgres"),
    json: switches.has("json"),
  };
}
