/** Counts and failures out of the JUnit report of `deno test`. */

export interface Failure {
  /** Of the test, or of the step as "test > step". */
  readonly name: string;
  /** What it threw, with its name. */
  readonly message: string;
}

/** What the tests of one file came to. Steps belong to their test and are not counted. */
export interface FileResult {
  readonly file: string;
  passed: number;
  failed: number;
  skipped: number;
  /** Sum over the tests of this file; the time to load the file is not in it. */
  seconds: number;
  readonly failures: Failure[];
}

const token = /<(\/?)(testsuite|testcase|failure|error|skipped)\b([^>]*?)(\/?)>/g;

/**
 * Reads a report. Suites of the runtime's own modules (`ext:`) repeat the steps of `node:test` and are left out.
 * Text in attributes and bodies is escaped by the writer, so a `<` always starts a tag.
 */
export function parseJunit(xml: string): FileResult[] {
  if (!/<testsuites\b/.test(xml) || !/<\/testsuites>\s*$|<testsuites\b[^>]*\/>\s*$/.test(xml)) {
    throw new SyntaxError("Cannot read the JUnit report: it is cut off");
  }
  const files: FileResult[] = [];
  let current: FileResult | undefined;
  let names = new Set<string>();
  let name = "";
  let outcome: "passed" | "failed" | "skipped" | undefined;
  for (const [, closing, tag, attributes, empty] of xml.matchAll(token)) {
    if (tag === "testsuite") {
      const name = attribute(attributes, "name");
      current = closing || name.startsWith("ext:") ? undefined : {
        file: name.replace(/^\.\//, ""),
        passed: 0,
        failed: 0,
        skipped: 0,
        seconds: 0,
        failures: [],
      };
      names = new Set();
      if (current) files.push(current);
    } else if (current && tag === "testcase" && !closing) {
      name = attribute(attributes, "name");
      outcome = isStep(name, names) ? undefined : "passed";
      names.add(name);
      if (outcome) current.seconds += Number(attribute(attributes, "time")) || 0;
      if (empty && outcome) current[outcome]++;
    } else if (current && tag === "testcase") {
      if (outcome) current[outcome]++;
      outcome = undefined;
    } else if (!closing && current) {
      if (outcome) outcome = tag === "skipped" ? "skipped" : "failed";
      if (tag !== "skipped") current.failures.push({ name, message: attribute(attributes, "message") });
    }
  }
  return files;
}

/** A step is reported as "<test> > <step>" after its test. */
function isStep(name: string, before: Set<string>): boolean {
  for (let at = name.indexOf(" > "); at >= 0; at = name.indexOf(" > ", at + 1)) {
    if (before.has(name.slice(0, at))) return true;
  }
  return false;
}

function attribute(attributes: string, name: string): string {
  const text = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity]);
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
