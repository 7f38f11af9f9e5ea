/** Which families of management tokens were given out. Bounded: it is for telling typing errors, and nothing rests on it. */
import type { TokenFamily, TokenFamilyStore } from "../ports/mod.ts";
import type { SqlDatabase } from "./sql.ts";

export interface TokenFamilyLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Most that are remembered; about 120 bytes each. */
  readonly maxFamilies: number;
}

export class SqlTokenFamilies implements TokenFamilyStore {
  readonly #database: SqlDatabase;
  readonly #limits: TokenFamilyLimits;

  constructor(database: SqlDatabase, limits: TokenFamilyLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async noteFamily({ family, owner, endsAtMs }: TokenFamily): Promise<void> {
    const { wall, maxFamilies } = this.#limits;
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM token_families WHERE ends_at <= ?", wall());
      await sql.run(
        "INSERT INTO token_families VALUES (?, ?, ?) ON CONFLICT (family) DO NOTHING",
        family,
        owner,
        endsAtMs,
      );
      const beyond = await sql.number("SELECT count(*) FROM token_families") - maxFamilies;
      if (beyond <= 0) return;
      await sql.run(
        "DELETE FROM token_families WHERE family IN (SELECT family FROM token_families ORDER BY ends_at LIMIT ?)",
        beyond,
      );
    });
  }

  async knowsFamily(target: { readonly family: string } | { readonly owner: string }): Promise<boolean> {
    const [column, value] = "owner" in target ? ["owner", target.owner] : ["family", target.family];
    const found = await this.#database.number(
      `SELECT count(*) FROM token_families WHERE ${column} = ? AND ends_at > ?`,
      value,
      this.#limits.wall(),
    );
    return found > 0;
  }
}
