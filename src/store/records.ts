// deno-lint-ignore-file require-await -- the port is asynchronous: what throws here must reject there
/** Signing keys and settings. */
import type { KeysetStore, Revised, SettingStore } from "../ports/mod.ts";
import type { Database } from "./database.ts";

export class SqliteRecords implements KeysetStore, SettingStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async loadKeyset(): Promise<Revised<string> | undefined> {
    const row = this.#database.get("SELECT revision, value FROM keyset");
    return row && { revision: Number(row.revision), value: String(row.value) };
  }

  async saveKeyset(value: string, revision: number): Promise<boolean> {
    const changed = revision === 0
      ? this.#database.run("INSERT INTO keyset VALUES (1, 1, ?) ON CONFLICT DO NOTHING", value)
      : this.#database.run(
        "UPDATE keyset SET revision = revision + 1, value = ? WHERE revision = ?",
        value,
        revision,
      );
    return changed === 1;
  }

  async setting(key: string): Promise<string | undefined> {
    const row = this.#database.get("SELECT value FROM settings WHERE key = ?", key);
    return row && String(row.value);
  }

  async putSetting(key: string, value: string): Promise<void> {
    this.#database.run(
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}
