import assert from "node:assert/strict";
import { OpenRequests } from "../../src/edge/open_requests.ts";

Deno.test("OpenRequests holds the limit of each network, and forgets a network with its last request", () => {
  const requests = new OpenRequests(2);
  assert.deepEqual([requests.enter("a"), requests.enter("a"), requests.enter("a")], [true, true, false]);
  assert.equal(requests.enter("b"), true);
  requests.leave("a");
  assert.equal(requests.enter("a"), true);
  for (const network of ["a", "a", "b"]) requests.leave(network);
  assert.equal(requests.networks, 0);
});
