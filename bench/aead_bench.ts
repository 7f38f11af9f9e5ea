/** Sealing and opening one record: the WASM core in place, node:crypto, @noble/ciphers. */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { loadCore } from "../wasm/mod.ts";

const SIZES = [64, 1024, 16384, 65536];
const AD_BYTES = 16;
const TAG_BYTES = 16;
/** Operations in one iteration, so that the clock's own cost disappears: about 1 MiB, at most 1024 records. */
const batchOf = (bytes: number) => Math.min(1024, Math.ceil((1 << 20) / bytes));

const core = loadCore();
const { arena } = core;
const key = new Uint8Array(32).fill(7);
const handle = core.importKey(key);
const nonce = new Uint8Array(12);
const ad = new Uint8Array(AD_BYTES);
const offset = arena.offset + 64;

for (const bytes of SIZES) {
  const batch = batchOf(bytes);
  const repeat = (body: () => void) => () => {
    for (let i = 0; i < batch; i++) body();
  };
  const plain = new Uint8Array(bytes);
  const sealed = chacha20poly1305(key, nonce, ad).encrypt(plain);
  const text = sealed.subarray(0, bytes);
  const tag = sealed.subarray(bytes);
  const name = (who: string) => `${who}, ${batch} x ${bytes} B`;

  const sealGroup = `seal ${bytes} B`;
  Deno.bench(
    name("core"),
    { group: sealGroup, baseline: true },
    repeat(() => {
      core.seal(handle, arena.offset, AD_BYTES, offset, bytes);
    }),
  );
  Deno.bench(
    name("node:crypto"),
    { group: sealGroup },
    repeat(() => {
      const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(ad, { plaintextLength: bytes });
      cipher.update(plain);
      cipher.final();
      cipher.getAuthTag();
    }),
  );
  Deno.bench(
    name("@noble/ciphers"),
    { group: sealGroup },
    repeat(() => {
      chacha20poly1305(key, nonce, ad).encrypt(plain);
    }),
  );

  // A mismatch costs the core a wipe besides, so what it opens here is wrong and its time an upper bound; sealing anew
  // for each opening would measure both.
  const openGroup = `open ${bytes} B`;
  Deno.bench(
    name("core, refusing"),
    { group: openGroup, baseline: true },
    repeat(() => {
      core.open(handle, arena.offset, AD_BYTES, offset, bytes);
    }),
  );
  Deno.bench(
    name("node:crypto"),
    { group: openGroup },
    repeat(() => {
      const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(ad, { plaintextLength: bytes });
      decipher.setAuthTag(tag);
      decipher.update(text);
      decipher.final();
    }),
  );
  Deno.bench(
    name("@noble/ciphers"),
    { group: openGroup },
    repeat(() => {
      chacha20poly1305(key, nonce, ad).decrypt(sealed);
    }),
  );
}
