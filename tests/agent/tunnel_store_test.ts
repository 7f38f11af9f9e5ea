import assert from "node:assert/strict";
import { TunnelStore } from "../../agent/tunnel_store.ts";
import { systemClock } from "../../src/driver/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { TempDir } from "../support/temp_dir.ts";

const tunnel = (name: string) => ({ tunnel_id: `tun_${name}`, name, recreate_token: `token-of-${name}` });

Deno.test("TunnelStore leaves alone what another process with the same file has stored since", async () => {
  await using folder = await TempDir.make("tunnels");
  const path = folder.file("tunnels.json");
  const one = await TunnelStore.open(path, noLog, systemClock);
  const other = await TunnelStore.open(path, noLog, systemClock);
  await one.set("a", tunnel("a"));
  await other.set("b", tunnel("b"));
  await one.set("a", tunnel("a2"));
  const next = await TunnelStore.open(path, noLog, systemClock);
  assert.deepEqual([next.get("a"), next.get("b")], [tunnel("a2"), tunnel("b")]);
  await other.set("b", undefined);
  const last = await TunnelStore.open(path, noLog, systemClock);
  assert.deepEqual([last.get("a"), last.get("b")], [tunnel("a2"), undefined]);
});

Deno.test("TunnelStore loses nothing when many processes write at once", async () => {
  await using folder = await TempDir.make("tunnels");
  const path = folder.file("tunnels.json");
  const names = Array.from({ length: 20 }, (_, index) => `name-${index}`);
  const stores = await Promise.all(names.map(() => TunnelStore.open(path, noLog, systemClock)));
  await Promise.all(stores.map((store, index) => store.set(names[index], tunnel(names[index]))));
  const next = await TunnelStore.open(path, noLog, systemClock);
  assert.deepEqual(names.filter((name) => next.get(name) === undefined), []);
});

Deno.test("TunnelStore begins a file anew that makes no sense, and logs what it cannot write", async () => {
  await using folder = await TempDir.make("tunnels");
  const events: string[] = [];
  const path = folder.file("tunnels.json");
  await Deno.writeTextFile(path, "{", { mode: 0o600 });
  const store = await TunnelStore.open(path, (_level, event) => events.push(event), systemClock);
  assert.equal(store.get("a"), undefined);
  assert.deepEqual(events, ["stored tunnels are unreadable and begun anew"]);
  await Deno.remove(path);
  await Deno.mkdir(path);
  await store.set("a", tunnel("a"));
  assert.equal(events.at(-1), "stored tunnels could not be written");
  assert.deepEqual(store.get("a"), tunnel("a"));
});
