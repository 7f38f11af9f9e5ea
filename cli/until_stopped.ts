/** Runs a node until it ends by itself or the operator ends it. */

/** What an edge or agent offers once it runs. */
export interface RunningNode {
  /** Drains and ends. Idempotent. */
  stop(): Promise<void>;
  /** Settles when the node has ended: rejects with what ended it, resolves after {@link stop}. */
  readonly finished: Promise<void>;
}

/** Exit code of a process that a second signal cut short: 128 + SIGINT. */
const cutShortExitCode = 130;

const stopSignals: readonly Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];

/**
 * Within this time of the first signal another one is the same: on Ctrl-C the terminal signals the whole process group,
 * and wrappers such as `deno task` and `npx` hand on what this process has got already.
 */
export const sameSignalMs = 500;

/** What each further stop signal asks for. */
export function stopSignalReader(now: () => number): () => "drain" | "nothing" | "end" {
  let firstMs: number | undefined;
  return () => {
    if (firstMs === undefined) {
      firstMs = now();
      return "drain";
    }
    return now() - firstMs < sameSignalMs ? "nothing" : "end";
  };
}

/**
 * Starts a node and runs it to its end. Signals are heard from before the start on: whoever was told that a node started may
 * stop it. The first SIGINT or SIGTERM drains, after the start if that is still under way; the second one ends the process at
 * once. `reload` runs on SIGHUP. Rejects with what `start` rejects with, or with what ended the node.
 */
export async function untilStopped<Node extends RunningNode>(
  start: () => Promise<Node>,
  hooks: {
    readonly stopping: () => void;
    readonly cutShort: () => void;
    readonly reload?: (node: Node) => void;
  },
  now: () => number = () => performance.now(),
): Promise<void> {
  const meaningOf = stopSignalReader(now);
  let node: Node | undefined;
  let isStopping = false;
  // What goes wrong while draining is what `finished` rejects with.
  const drain = () => node?.stop().catch(() => {});
  const stop = () => {
    const meaning = meaningOf();
    if (meaning === "drain") {
      isStopping = true;
      hooks.stopping();
      drain();
    } else if (meaning === "end") {
      hooks.cutShort();
      Deno.exit(cutShortExitCode);
    }
  };
  const reload = () => {
    if (node !== undefined) hooks.reload?.(node);
  };
  const withReload = Deno.build.os !== "windows";
  for (const signal of stopSignals) Deno.addSignalListener(signal, stop);
  if (withReload) Deno.addSignalListener("SIGHUP", reload);
  try {
    node = await start();
    if (isStopping) drain();
    await node.finished;
  } finally {
    for (const signal of stopSignals) Deno.removeSignalListener(signal, stop);
    if (withReload) Deno.removeSignalListener("SIGHUP", reload);
  }
}
