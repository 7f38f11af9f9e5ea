import assert from "node:assert/strict";
import { RecentRequests } from "../../agent/recent_requests.ts";

Deno.test("RecentRequests tells the last sixteen, newest first, with cut paths and without queries", () => {
  const recent = new RecentRequests();
  assert.deepEqual(recent.list(0), []);
  recent.add("GET", "/secret?token=hunter2", 200, 1.234, 5);
  assert.deepEqual(recent.list(1_000), [{ method: "GET", path: "/secret", status: 200, ms: 1.2, at: 1_005 }]);
  recent.add("POST", `/${"a".repeat(100)}#x`, 500, 2, 6);
  assert.equal(recent.list(0)[0].path, `/${"a".repeat(62)}…`);
  for (let n = 0; n < 20; n++) recent.add("GET", `/${n}`, 204, 1, n);
  assert.deepEqual(
    recent.list(0).map(({ path }) => path),
    Array.from({ length: 16 }, (_, n) => `/${19 - n}`),
  );
});
