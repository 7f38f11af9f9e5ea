/** Records sealed and opened in place in the WASM core's memory, as the pump does. */
import { RecordOpener, RecordSealer, REKEY_LIMITS } from "../src/channel/mod.ts";
import { RECORD_HEADER_BYTES } from "../src/wire/mod.ts";
import { loadCore } from "../wasm/mod.ts";

const core = loadCore();
const key = new Uint8Array(32).fill(7);
const sealer = new RecordSealer(core, key, REKEY_LIMITS, 0);
const opener = new RecordOpener(core, key, REKEY_LIMITS, 0);
const start = core.arena.offset + 64;

for (const bytes of [64, 1_400, 16_384, 65_515]) {
  Deno.bench(`seal and open a record of ${bytes} bytes`, { group: "records" }, () => {
    const end = sealer.seal(start, start + RECORD_HEADER_BYTES + bytes, 0);
    opener.open(start, end, 0);
  });
}
