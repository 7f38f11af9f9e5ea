import assert from "node:assert/strict";
import { acceptEach } from "../../src/driver/mod.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

Deno.test("acceptEach() hands connections on, waits a little after a failure, and ends with its listener", async () => {
  const clock = new VirtualClock();
  const taken: string[] = [];
  const logged: string[] = [];
  const outcomes: (string | Error)[] = ["a", new Error("Too many open files"), "b", new Error("closed")];
  let open = true;
  let asked = 0;
  const over = acceptEach(
    {
      accept() {
        asked++;
        const outcome = outcomes.shift()!;
        if (outcome instanceof Error && outcome.message === "closed") open = false;
        return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
      },
    },
    { clock, log: (_level, event) => logged.push(event), isOpen: () => open },
    (connection) => taken.push(connection),
  );
  await settle();
  assert.deepEqual([taken, asked, logged], [["a"], 2, ["accept failed"]]);
  clock.advance(49);
  await settle();
  assert.equal(asked, 2);
  clock.advance(1);
  await over;
  assert.deepEqual([taken, asked, logged], [["a", "b"], 4, ["accept failed"]]);
});

Deno.test("acceptEach() goes on after a connection that cannot be taken", async () => {
  const taken: string[] = [];
  const logged: string[] = [];
  const connections = ["gone", "next"];
  await acceptEach(
    { accept: () => Promise.resolve(connections.shift()!) },
    {
      clock: new VirtualClock(),
      log: (_level, event) => logged.push(event),
      isOpen: () => connections.length > 0,
    },
    (connection) => {
      if (connection === "gone") throw new TypeError("Invalid argument (os error 22)");
      taken.push(connection);
    },
  );
  assert.deepEqual([taken, logged], [["next"], ["connection dropped"]]);
});
