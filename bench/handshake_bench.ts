/** Whole Noise handshakes, both sides on this thread: a channel costs one side about half of it. */
import {
  generateX25519KeyPair,
  HandshakeState,
  NOISE_XK_25519_CHACHAPOLY_SHA256,
  NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256,
} from "../src/crypto/mod.ts";
import type { Random } from "../src/ports/mod.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const agent = generateX25519KeyPair(random);
const edge = generateX25519KeyPair(random);
const payload = new Uint8Array(600);

function handshake(protocolName: string): void {
  const initiator = new HandshakeState({
    protocolName,
    initiator: true,
    s: agent,
    rs: edge.publicKey,
    random,
  });
  const responder = new HandshakeState({ protocolName, initiator: false, s: edge, random });
  responder.readMessage(initiator.writeMessage(payload));
  initiator.readMessage(responder.writeMessage(payload));
  responder.readMessage(initiator.writeMessage(payload));
  initiator.split();
  responder.split();
}

Deno.bench("XK handshake, both sides", { group: "handshake", baseline: true, n: 500 }, () => {
  handshake(NOISE_XK_25519_CHACHAPOLY_SHA256);
});

Deno.bench("XKhfs handshake (ML-KEM-768), both sides", { group: "handshake", n: 300 }, () => {
  handshake(NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256);
});
