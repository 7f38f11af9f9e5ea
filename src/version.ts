/** What runs: in a room of its own, since edges, agents and commands tell it. */
import project from "../deno.json" with { type: "json" };

/** Version of Postern, e.g. `0.1.0`. */
export const version: string = project.version;
