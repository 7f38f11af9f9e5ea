/** docs/errors: a page for each code, and their index. */
import { type Blame, CATALOGUE, type ErrorCode, type ErrorFacts } from "../../src/errors/mod.ts";
import { cell, escapeMarkup, table } from "./pages.ts";

/** Who has to act, in a reader's words. */
const BLAME: Readonly<Record<Blame, string>> = {
  peer: "the other end of the connection",
  viewer: "the viewer's client",
  origin: "the published service",
  operator: "the operator",
  control: "the control plane",
  local: "this program",
};

const EXIT: Readonly<Record<NonNullable<ErrorFacts["exit"]>, string>> = {
  1: "failure at run time",
  2: "wrong usage",
  3: "not authorized",
  4: "attestation failed",
  5: "gave up retrying",
};

/** All pages by path. */
export function errorPages(): [string, string][] {
  const rows = Object.entries(CATALOGUE).sort(([a], [b]) => a < b ? -1 : 1) as [ErrorCode, ErrorFacts][];
  return [
    ["docs/errors/README.md", indexPage(rows)],
    ...rows.map(([code, facts]): [string, string] => [`docs/errors/${code}.md`, codePage(code, facts)]),
  ];
}

function indexPage(rows: readonly (readonly [ErrorCode, ErrorFacts])[]): string {
  const codes = rows.map(([code, facts]) => [
    `[${code}](${code}.md)`,
    cell(facts.title),
    facts.status === undefined ? "" : String(facts.status),
    facts.exit === undefined ? "" : String(facts.exit),
    facts.retryable ? "yes" : "no",
  ]);
  return [
    "# Error codes",
    "Every failure has a stable code: in problem documents, logs, metrics and command lines. `Retry` says whether " +
    "the same attempt may succeed later.",
    table(["Code", "Title", "HTTP", "Exit", "Retry"], codes),
    "",
  ].join("\n\n");
}

function codePage(code: ErrorCode, facts: ErrorFacts): string {
  const properties = [
    ["Caused by", BLAME[facts.blame]],
    ["Worth retrying", facts.retryable ? "yes" : "no"],
    ...(facts.status === undefined ? [] : [["HTTP status", String(facts.status)]]),
    ...(facts.exit === undefined ? [] : [["Exit code", `${facts.exit} (${EXIT[facts.exit]})`]]),
  ];
  return [
    `# ${escapeMarkup(facts.title)}`,
    `\`${code}\``,
    "## What happened",
    escapeMarkup(facts.cause),
    "## What to do",
    escapeMarkup(facts.remedy),
    "## Properties",
    table(["Property", "Value"], properties),
    "[All error codes](README.md)",
    "",
  ].join("\n\n");
}
