/** Signing keys and settings. */
import type { KeysetStore, Revised, SettingStore } from "../ports/mod.ts";
import type { SqlDatabase } from "./sql.ts";

export class SqlRecords implements KeysetStore, SettingStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async loadKeyset(): Promise<Revised<string> | undefined> {
    const row = await this.#database.get("SELECT revision, value FROM keyset");
    return row && { revision: Number(row.revision), value: String(row.value) };
  }

  async saveKeyset(value: string, revision: number): Promise<boolean> {
    const changed = revision === 0
      ? await this.#database.run("INSERT INTO keyset VALUES (1, 1, ?) ON CONFLICT (one) DO NOTHING", value)
      : await this.#database.run(
        "UPDATE keyset SET revision = revision + 1, value = ? WHERE revision = ?",
        value,
        revision,
      );
    return changed === 1;
  }

  async setting(key: string): Promise<string | undefined> {
    const row = await this.#database.get("SELECT value FROM settings WHERE key = ?", key);
    return row && String(row.value);
  }

  async putSetting(key: string, value: string): Promise<void> {
    await this.#database.run(
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}
