import assert from "node:assert/strict";
import { accepts } from "./ports.ts";
import { Postgres } from "./postgres.ts";

Deno.test("Postgres.start() answers SQL on loopback and is gone after its scope", async () => {
  let port: number;
  {
    await using database = await Postgres.start({ max_connections: "12" });
    port = database.port;
    assert.equal(
      await database.psql("create table t (n int); insert into t values (1), (2); select sum(n) from t"),
      [
        "CREATE TABLE",
        "INSERT 0 2",
        "3",
      ].join("\n"),
    );
    assert.equal(await database.psql("show max_connections"), "12");
    await assert.rejects(database.psql("select * from nowhere"), /relation "nowhere" does not exist/);
  }
  assert.equal(await accepts(port), false);
});
