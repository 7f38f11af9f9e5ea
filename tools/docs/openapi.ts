/** docs/reference/openapi.json: what the control plane serves at /openapi.json. */
import { openApiDocument } from "../../src/control/mod.ts";

export function openApiPage(): [string, string] {
  return ["docs/reference/openapi.json", `${JSON.stringify(openApiDocument(), null, 2)}\n`];
}
