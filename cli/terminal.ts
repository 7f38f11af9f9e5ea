/** Where output goes. Commands write here, so that tests can read it. */

export interface Terminal {
  /** Results, on standard output. */
  out(text: string): void;
  /** Logs, errors and progress, on standard error. */
  err(text: string): void;
  /** Whether standard error is a terminal that can redraw. */
  readonly live: boolean;
  /** Whether colors are wanted (https://no-color.org). */
  readonly color: boolean;
  /** Width of the terminal in columns. */
  columns(): number;
}

/** Width without a terminal. */
const defaultColumns = 80;

/** Standard output and error of this process. */
export function processTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const live = Deno.stderr.isTerminal() && env.TERM !== "dumb";
  return {
    out: (text) => writeAll(Deno.stdout, text),
    err: (text) => writeAll(Deno.stderr, text),
    live,
    color: live && !env.NO_COLOR,
    columns() {
      try {
        return Deno.consoleSize().columns;
      } catch {
        return defaultColumns;
      }
    },
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    // `postern help | head -1` closes the pipe early: nobody is left to tell.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
