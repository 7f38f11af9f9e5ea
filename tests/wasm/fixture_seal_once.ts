/** Run by instance_test.ts in a process without permissions. */
import { loadCore } from "../../wasm/mod.ts";

const core = loadCore();
core.seal(core.importKey(new Uint8Array(32)), 0, 0, core.arena.offset, 100);
Deno.stdout.writeSync(new TextEncoder().encode("sealed"));
