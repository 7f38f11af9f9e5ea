/** Routes of other issuers' subjects, beside the tunnels: nobody gets what is somebody else's there. */
import { PosternError } from "../errors/mod.ts";
import type { RouteClaim, RouteStore } from "../ports/mod.ts";
import type { Sql, SqlDatabase } from "./sql.ts";

interface Route {
  readonly kind: "name" | "tcp" | "udp";
  readonly route: string;
}

/** Where tunnels keep the same thing. */
const COLUMNS = { name: "name", tcp: "public_port", udp: "public_udp_port" } as const;

export class SqlRoutes implements RouteStore {
  readonly #database: SqlDatabase;
  /** About 120 bytes each. */
  readonly #maxRoutes: number;

  constructor(database: SqlDatabase, maxRoutes: number) {
    this.#database = database;
    this.#maxRoutes = maxRoutes;
  }

  async claimRoutes(claim: RouteClaim): Promise<string | undefined> {
    return await this.#database.transaction((sql) => this.#claim(sql, claim));
  }

  async #claim(sql: Sql, claim: RouteClaim): Promise<string | undefined> {
    const { subject, names, pairedNames, tcpPorts, udpPorts, nowMs, forgetBeforeMs } = claim;
    await sql.run("DELETE FROM routes WHERE claimed_at < ?", forgetBeforeMs);
    const routes: Route[] = [
      ...names.map((route) => ({ kind: "name", route } as const)),
      ...tcpPorts.map((port) => ({ kind: "tcp", route: String(port) } as const)),
      ...udpPorts.map((port) => ({ kind: "udp", route: String(port) } as const)),
    ];
    const paired = pairedNames.map((route) => ({ kind: "name", route } as const));
    for (const route of [...routes, ...paired]) {
      if (await isFreeFor(sql, subject, route)) continue;
      return route.kind === "name" ? route.route : `${route.kind} ${route.route}`;
    }
    for (const { kind, route } of routes) {
      await sql.run(
        `INSERT INTO routes VALUES (?, ?, ?, ?)
         ON CONFLICT (kind, route) DO UPDATE SET claimed_at = excluded.claimed_at
         WHERE excluded.claimed_at > routes.claimed_at`,
        kind,
        route,
        subject,
        nowMs,
      );
    }
    if (await sql.number("SELECT count(*) FROM routes") > this.#maxRoutes) {
      throw new PosternError("token_routes_full", `Cannot bind routes: ${this.#maxRoutes} are bound already`);
    }
    return undefined;
  }
}

async function isFreeFor(sql: Sql, subject: string, { kind, route }: Route): Promise<boolean> {
  const tunnels = await sql.number(
    `SELECT count(*) FROM tunnels WHERE ${COLUMNS[kind]} = ?`,
    kind === "name" ? route : Number(route),
  );
  const others = await sql.number(
    "SELECT count(*) FROM routes WHERE kind = ? AND route = ? AND subject <> ?",
    kind,
    route,
    subject,
  );
  return tunnels === 0 && others === 0;
}
