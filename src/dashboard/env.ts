import type { ControlEnv } from "../control/mod.ts";

/** What is handed over with each request. */
export interface DashboardEnv {
  Bindings: ControlEnv["Bindings"] & {
    /** Whether an answer may go on for long; otherwise what is live comes one answer at a time. */
    canStream?: boolean;
    /** Only the parts of the page that come anew, as JSON. */
    onlyLive?: boolean;
  };
  Variables: ControlEnv["Variables"];
}
