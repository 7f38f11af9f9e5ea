/** Turns the lines of `deno test --reporter=pretty` into a stream that a person can follow. */

const passedLine = /\.\.\. ok \([^()]*\)$/;
const skippedLine = /\.\.\. ignored \([^()]*\)$/;
const failedLine = /\.\.\. FAILED( \(.*\))?$/;
const uncaughtLine = /^Uncaught error from (\S+) FAILED$/;
const runningLine = /^running \d+ tests? from /;
/** What a test wrote itself stands between these lines: it is shown, and never taken for a result. */
const outputStart = /^-+ (post-test )?output -+$/;
const outputEnd = /-+ (post-test )?output end -+$/;
// deno-lint-ignore no-control-regex
const escapes = /\x1b\[[0-9;]*m/g;

/** Lines that passed between two progress lines. */
const passedAProgressLine = 100;

/** Reads lines as they come, hides what went well, and keeps count for the case that no report gets written. */
export class Progress {
  readonly #print: (line: string) => void;
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  #inOutput = false;
  readonly #uncaught: string[] = [];

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Files that failed outside of their tests: these are in no report. */
  get uncaughtFiles(): readonly string[] {
    return this.#uncaught;
  }

  /** What the lines said so far. Steps of `t.step` are on lines of their own and are in here, too. */
  get counts(): { passed: number; failed: number; skipped: number } {
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped };
  }

  line(raw: string): void {
    const text = raw.replace(escapes, "").trimEnd();
    if (this.#inOutput || outputStart.test(text)) {
      this.#inOutput = !outputEnd.test(text);
      this.#print(raw);
      return;
    }
    const uncaught = uncaughtLine.exec(text);
    if (uncaught) this.#uncaught.push(uncaught[1].replace(/^\.\//, ""));
    if (skippedLine.test(text)) this.#skipped++;
    else if (failedLine.test(text)) this.#failed++;
    else if (passedLine.test(text)) {
      this.#passed++;
      if (this.#passed % passedAProgressLine === 0) this.#print(`  ${this.#passed} ok so far`);
      return;
    } else if (runningLine.test(text)) {
      return;
    }
    this.#print(raw);
  }
}
