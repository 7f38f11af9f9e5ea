import assert from "node:assert/strict";
import { FieldChanges } from "../../src/edge/field_changes.ts";
import { HeaderList } from "../../src/http1/mod.ts";

function changed(rule: ConstructorParameters<typeof FieldChanges>[0], fields: [string, string][]) {
  const headers = HeaderList.from(fields);
  new FieldChanges(rule).apply(headers);
  return [...headers];
}

Deno.test("FieldChanges.apply() removes, then sets, then adds", () => {
  assert.deepEqual(
    changed({ remove: ["x-a"], set: [["X-B", "1"], ["x-b", "2"]], add: [["X-A", "3"], ["X-B", "4"]] }, [
      ["X-A", "old"],
      ["X-C", "kept"],
      ["X-B", "old"],
      ["X-B", "older"],
    ]),
    [["X-C", "kept"], ["x-b", "2"], ["X-A", "3"], ["X-B", "4"]],
  );
  assert.deepEqual(changed({ add: [["X-A", "2"]] }, [["X-A", "1"]]), [["X-A", "1"], ["X-A", "2"]]);
  assert.deepEqual(changed({}, [["X-A", "1"]]), [["X-A", "1"]]);
});

Deno.test("FieldChanges.apply() takes out what passes for a field that is set or removed", () => {
  assert.deepEqual(
    changed({ set: [["X-User", "ann"]], remove: ["X-Role"] }, [["X_User", "eve"], ["x.role", "admin"], [
      "X-Us",
      "1",
    ]]),
    [["X-Us", "1"], ["X-User", "ann"]],
  );
});
