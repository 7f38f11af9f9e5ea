/** Lines on standard output and standard error for the project's own tools. */
const encoder = new TextEncoder();

/** Writes one line to standard output. */
export function print(line = ""): void {
  writeAll(Deno.stdout, `${line}\n`);
}

/** Writes one line to standard error. */
export function printError(line: string): void {
  writeAll(Deno.stderr, `${line}\n`);
}

function writeAll(out: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(out.writeSync(bytes));
}
