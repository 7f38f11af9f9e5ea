import assert from "node:assert/strict";
import * as fc from "fast-check";
import { dialTcp, type Network, type TcpSocket } from "../../src/driver/mod.ts";
import { attemptOrder, MAX_ADDRESSES } from "../../src/driver/happy_eyeballs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { loggedSocket } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

Deno.test("attemptOrder() takes turns between the families, beginning with the resolver's first", () => {
  assert.deepEqual(attemptOrder(["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"]), [
    "2001:db8::1",
    "192.0.2.1",
    "2001:db8::2",
    "192.0.2.2",
  ]);
  assert.deepEqual(attemptOrder(["192.0.2.1", "2001:db8::1", "2001:db8::2"]), [
    "192.0.2.1",
    "2001:db8::1",
    "2001:db8::2",
  ]);
});

Deno.test("attemptOrder() loses no address below its bound, and keeps the order within a family", () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(fc.property(fc.uniqueArray(address, { minLength: 1, maxLength: MAX_ADDRESSES }), (addresses) => {
    const ordered = attemptOrder(addresses);
    assert.equal(ordered[0], addresses[0]);
    for (const v6 of [true, false]) {
      const of = (list: string[]) => list.filter((each) => each.includes(":") === v6);
      assert.deepEqual(of(ordered), of(addresses));
    }
  }));
  const many = Array.from({ length: 100 }, (_, at) => `192.0.2.${at}`);
  assert.deepEqual(attemptOrder(many), many.slice(0, MAX_ADDRESSES));
});

interface Attempt {
  readonly hostname: string;
  readonly atMs: number;
  readonly succeed: () => { closed: boolean };
  readonly fail: (error: Error) => void;
  aborted: boolean;
}

/** A network in which every attempt waits for the test to decide it. */
function openNetwork(addresses: readonly string[], clock: VirtualClock) {
  const attempts: Attempt[] = [];
  const network: Network = {
    resolve: () => Promise.resolve(addresses),
    connect({ hostname, signal }) {
      const { promise, resolve, reject } = Promise.withResolvers<TcpSocket>();
      const attempt: Attempt = {
        hostname,
        atMs: clock.now(),
        aborted: false,
        fail: reject,
        succeed() {
          const state = { closed: false };
          const [near] = memoryStreamPair();
          resolve({ ...loggedSocket(near, []), close: () => state.closed = true });
          return state;
        },
      };
      signal.addEventListener("abort", () => attempt.aborted = true);
      attempts.push(attempt);
      return promise;
    },
    startTls: () => Promise.reject(new Error("not reached")),
  };
  return { attempts, network };
}

const ADDRESSES = ["2001:db8::1", "192.0.2.1", "192.0.2.2"];

Deno.test("dialTcp() gives each address 250 ms before the next joins; the first that answers wins", async () => {
  const clock = new VirtualClock();
  const { attempts, network } = openNetwork(ADDRESSES, clock);
  const dialing = dialTcp("edge.example", 443, { clock, network });
  await clock.advanceAsync(249);
  assert.equal(attempts.length, 1);
  await clock.advanceAsync(1);
  assert.deepEqual(attempts.map(({ hostname }) => hostname), ADDRESSES.slice(0, 2));
  attempts[1].succeed();
  (await dialing).close();
  assert.equal(attempts[0].aborted, true);
  const late = attempts[0].succeed();
  await clock.advanceAsync(1_000);
  assert.equal(attempts.length, 2);
  assert.equal(late.closed, true);
  assert.equal(clock.pending, 0);
});

Deno.test("dialTcp() goes on at once after a failure, and throws the first one when all have failed", async () => {
  const clock = new VirtualClock();
  const { attempts, network } = openNetwork(ADDRESSES, clock);
  const dialing = assert.rejects(dialTcp("edge.example", 443, { clock, network }), {
    code: "connect_refused",
  });
  await clock.advanceAsync(0);
  attempts[0].fail(new Deno.errors.ConnectionRefused("no"));
  await clock.advanceAsync(0);
  assert.equal(attempts.length, 2);
  attempts[1].fail(new Deno.errors.TimedOut("no"));
  await clock.advanceAsync(0);
  attempts[2].fail(new Deno.errors.TimedOut("no"));
  await dialing;
  assert.equal(clock.pending, 0);
});

Deno.test("dialTcp() ends every attempt when its time is up, and starts none after it", async () => {
  const clock = new VirtualClock();
  const { attempts, network } = openNetwork(ADDRESSES, clock);
  const dialing = assert.rejects(dialTcp("edge.example", 443, { clock, network, connectTimeoutMs: 300 }), {
    code: "connect_timeout",
  });
  await clock.advanceAsync(300);
  await dialing;
  assert.deepEqual(attempts.map(({ aborted }) => aborted), [true, true]);
  assert.equal(clock.pending, 0);
});

Deno.test("dialTcp() does not resolve an IPv6 or IPv4 literal, and names the host it could not resolve", async () => {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const network: Network = {
    ...openNetwork([], clock).network,
    resolve(hostname) {
      asked.push(hostname);
      return Promise.reject(new Error("getaddrinfo ENOTFOUND"));
    },
    connect: () => Promise.reject(new Deno.errors.ConnectionRefused("no")),
  };
  for (const host of ["2001:db8::1", "192.0.2.1"]) {
    await assert.rejects(dialTcp(host, 443, { clock, network }), { code: "connect_refused" });
  }
  assert.deepEqual(asked, []);
  await assert.rejects(dialTcp("edge.example", 443, { clock, network }), {
    code: "dns_failed",
    detail: { target: "edge.example:443" },
  });
  assert.deepEqual(asked, ["edge.example"]);
});
