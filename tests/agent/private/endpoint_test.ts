import assert from "node:assert/strict";
import { boundKeyProvider } from "../../../src/attestation/mod.ts";
import { utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { judgePrivatePeer } from "../../../src/channel/mod.ts";
import { Slabs, systemClock } from "../../../src/driver/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import {
  carryConnection,
  endpointIdentity,
  endpointKey,
  endpointKeyIn,
  LocalListener,
  StdioStream,
} from "../../../agent/private/mod.ts";
import type { PrivateSession } from "../../../agent/private/private_session.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";
import { MadeCluster } from "../../support/made_cluster.ts";
import { makeIdentity } from "../../support/node_identities.ts";
import { systemRandom, TERMS } from "../../support/private_pair.ts";
import { TempDir } from "../../support/temp_dir.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const never = new AbortController().signal;

Deno.test("endpointKey() makes the key once, for this user alone, and reads the same one again", async () => {
  await using folder = await TempDir.make();
  const path = endpointKeyIn(folder.path);
  const first = await endpointKey(path, systemRandom);
  assert.deepEqual(await endpointKey(path, systemRandom), first);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

Deno.test("endpointKey() refuses a damaged file and shows nothing of it", async () => {
  await using folder = await TempDir.make();
  const path = endpointKeyIn(folder.path);
  for (const text of ["", "secret-but-short", "%%%", "A".repeat(44)]) {
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    await assert.rejects(
      endpointKey(path, systemRandom),
      (error) =>
        code("private_key_malformed")(error) && (text === "" || !(error as Error).message.includes(text)),
    );
  }
});

Deno.test("endpointIdentity() proves agent and node, and judges nodes of its own cluster only", async () => {
  const cluster = await MadeCluster.make();
  const clock = { wall: () => cluster.nowMs };
  const provider = await boundKeyProvider(systemRandom(32));
  const node = await makeIdentity(cluster, "connector", "c1");
  const identity = endpointIdentity({ provider, node, clock });
  const transcript = systemRandom(32);
  const proofs = await identity.prove(transcript, never);
  assert.deepEqual(proofs.map(({ kind }) => kind), ["bound-key", "certificate"]);
  const peer = {
    side: "server",
    staticKey: systemRandom(32),
    transcript,
    introduction: { time: Math.floor(cluster.nowMs / 1_000), version: "1", proofs },
  } as const;
  const demands = {
    terms: { ...TERMS, initExpireAtS: cluster.nowMs / 1_000 + 100 },
    wallMs: cluster.nowMs,
    pins: [],
    checkCertificate: identity.checkCertificate,
  };
  const judged = await judgePrivatePeer(peer, demands);
  assert.deepEqual([judged.assurance, judged.agentId], ["certified", provider.agentId]);
  assert.match(judged.spiffeId!, /connector\/c1$/);
  const { checkCertificate } = endpointIdentity({
    node: await makeIdentity(await MadeCluster.make(), "connector", "c1"),
    clock,
  });
  await assert.rejects(
    judgePrivatePeer(peer, { ...demands, checkCertificate }),
    code("private_identity_invalid"),
  );
  await assert.rejects(
    judgePrivatePeer({ ...peer, transcript: systemRandom(32) }, demands),
    code("private_identity_invalid"),
  );
});

Deno.test("endpointIdentity() shows no certificate that is over", async () => {
  const cluster = await MadeCluster.make();
  const node = await makeIdentity(cluster, "connector", "c1");
  const identity = endpointIdentity({ node, clock: { wall: () => node.endsAtMs } });
  assert.deepEqual(await identity.prove(systemRandom(32), never), []);
});

Deno.test("carryConnection() refuses a udp service with private_kind_mismatch, and closes the socket", async () => {
  const [client, ours] = memoryStreamPair();
  const acquire = () => Promise.resolve({ kind: "udp" } as PrivateSession);
  await assert.rejects(
    carryConnection(ours, { connector: { acquire }, slabs: new Slabs(), requestId: "", signal: never }),
    code("private_kind_mismatch"),
  );
  assert.equal(await client.read(new Uint8Array(1)), null);
});

Deno.test("StdioStream reads and writes, half-closes, and closes once", async () => {
  const calls: string[] = [];
  const stream = new StdioStream({
    stdin: {
      read: (into) => {
        into.set(utf8("in"));
        return Promise.resolve(2);
      },
      close: () => void calls.push("stdin"),
    },
    stdout: {
      write: (from) => {
        calls.push(utf8Decode(from));
        return Promise.resolve(from.length);
      },
      close: () => {
        calls.push("stdout");
        throw new Deno.errors.BadResource();
      },
    },
  });
  assert.equal(await stream.read(new Uint8Array(8)), 2);
  assert.equal(await stream.write(utf8("out")), 3);
  await stream.closeWrite();
  await assert.rejects(stream.write(utf8("more")), code("connection_closed"));
  stream.close();
  stream.close();
  assert.equal(await stream.read(new Uint8Array(8)), null);
  assert.deepEqual(calls, ["out", "stdout", "stdin"]);
});

Deno.test("LocalListener closes a connection for which there is no channel, and says why", async () => {
  const told: unknown[] = [];
  const acquire = () => Promise.reject(new PosternError("private_unreachable"));
  const options = {
    connector: { acquire },
    slabs: new Slabs(),
    clock: systemClock,
    log: (_level: string, message: string, fields?: Record<string, unknown>) =>
      void told.push([message, fields?.code]),
    newRequestId: () => "request",
  };
  const listener = new LocalListener({ ...options, listen: { host: "127.0.0.1", port: 0 } });
  const port = Number(listener.address.split(":")[1]);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  assert.equal(await conn.read(new Uint8Array(1)), null);
  conn.close();
  assert.throws(
    () => new LocalListener({ ...options, listen: { host: "127.0.0.1", port } }),
    code("listen_failed"),
  );
  await listener.stop(never);
  assert.deepEqual(told, [["connection not carried", "private_unreachable"]]);
  assert.deepEqual([listener.connections, listener.openConnections], [1, 0]);
});
