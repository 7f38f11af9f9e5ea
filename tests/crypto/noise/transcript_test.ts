import assert from "node:assert/strict";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { fromHex } from "../../../src/bytes/mod.ts";
import { openRecordedHandshake } from "../../reference/noise_transcript.ts";
import vectorFile from "../../vectors/noise_postern.json" with { type: "json" };

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: string[];
  readonly init_static?: string;
  readonly resp_static?: string;
  readonly init_ephemeral: string;
  readonly resp_ephemeral: string;
  readonly init_kem_seed?: string;
  readonly handshake_hash: string;
  readonly messages: { payload: string; ciphertext: string }[];
}

/** Written out here, and not taken from src, so that a wrong table there shows. */
const LINES: Record<string, { known: ("initiator" | "responder")[]; lines: string[] }> = {
  "NNpsk0": { known: [], lines: ["psk e", "e ee"] },
  "NKpsk2": { known: ["responder"], lines: ["e es", "e ee psk"] },
  "IKpsk1": { known: ["responder"], lines: ["e es s ss psk", "e ee se"] },
  "XKpsk3": { known: ["responder"], lines: ["e es", "e ee", "s se psk"] },
  "XXpsk3": { known: [], lines: ["e", "e ee s es", "s se psk"] },
  "XXpsk0+psk3": { known: [], lines: ["psk e", "e ee s es", "s se psk"] },
  "NNhfs": { known: [], lines: ["e e1", "e ee ekem1"] },
  "XKhfs": { known: ["responder"], lines: ["e es e1", "e ee ekem1", "s se"] },
  "XXhfs": { known: [], lines: ["e e1", "e ee ekem1 s es", "s se"] },
  "IKhfs": { known: ["responder"], lines: ["e es e1 s ss", "e ee ekem1 se"] },
  "KKhfs": { known: ["initiator", "responder"], lines: ["e es e1 ss", "e ee ekem1 se"] },
  "XXhfs+psk3": { known: [], lines: ["e e1", "e ee ekem1 s es", "s se psk"] },
};
const UNUSED = new Uint8Array(32).fill(1);

for (const vector of vectorFile.vectors as Vector[]) {
  Deno.test(`the pinned ${vector.protocol_name} handshake opens by an independent reading of the specification`, async () => {
    const { known, lines } = LINES[vector.protocol_name.split("_")[1]];
    const opened = await openRecordedHandshake({
      protocolName: vector.protocol_name,
      prologue: fromHex(vector.init_prologue),
      known,
      lines,
      initiator: {
        e: fromHex(vector.init_ephemeral),
        s: vector.init_static ? fromHex(vector.init_static) : UNUSED,
      },
      responder: {
        e: fromHex(vector.resp_ephemeral),
        s: vector.resp_static ? fromHex(vector.resp_static) : UNUSED,
      },
      psks: (vector.init_psks ?? []).map(fromHex),
      kemSeed: vector.init_kem_seed ? fromHex(vector.init_kem_seed) : undefined,
      messages: vector.messages.slice(0, lines.length).map(({ ciphertext }) => fromHex(ciphertext)),
    });
    assert.deepEqual(
      opened.payloads.map((payload) => payload.toHex()),
      vector.messages.slice(0, lines.length).map(({ payload }) => payload),
    );
    assert.equal(opened.handshakeHash.toHex(), vector.handshake_hash);
    const counters = [0, 0];
    for (const [at, { payload, ciphertext }] of vector.messages.slice(lines.length).entries()) {
      const direction = (lines.length + at) % 2;
      const nonce = new Uint8Array(12);
      nonce[4] = counters[direction]++;
      const cipher = chacha20poly1305(opened.keys[direction], nonce);
      assert.equal(cipher.decrypt(fromHex(ciphertext)).toHex(), payload);
    }
  });
}

Deno.test("the pinned handshakes cover every line written out here", () => {
  const names = (vectorFile.vectors as Vector[]).map(({ protocol_name }) => protocol_name.split("_")[1]);
  assert.deepEqual(names, Object.keys(LINES));
});
