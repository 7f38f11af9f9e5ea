import assert from "node:assert/strict";
import { summarize } from "../../../bench/tunnel/profile_summary.ts";

const frame = (functionName: string, url = "", lineNumber = -1) => ({ functionName, url, lineNumber });

Deno.test("summarize() sorts functions by self time and leaves idle time out of the shares", () => {
  const text = summarize({
    nodes: [
      { id: 1, callFrame: frame("(idle)") },
      { id: 2, callFrame: frame("seal", "file:///home/x/src/crypto/seal.ts", 9) },
      { id: 3, callFrame: frame("") },
    ],
    samples: [1, 2, 2, 3],
    timeDeltas: [5_000, 1_000, 2_000, 1_000],
  }, 10);
  assert.equal(
    text,
    "4 ms busy, 5 ms idle; self time:\n" +
      "       3 ms  75.0 %  seal  src/crypto/seal.ts:10\n" +
      "       1 ms  25.0 %  (anonymous)\n",
  );
});

Deno.test("summarize() looks at the last milliseconds only, when asked", () => {
  const nodes = [{ id: 1, callFrame: frame("start") }, { id: 2, callFrame: frame("load") }];
  const text = summarize({ nodes, samples: [1, 2, 2], timeDeltas: [9_000, 1_000, 1_000] }, 10, 2);
  assert.equal(text, "2 ms busy, 0 ms idle; self time:\n       2 ms 100.0 %  load\n");
});
