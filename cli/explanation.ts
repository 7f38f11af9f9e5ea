/** What the catalogue of errors says about one code, as text and as data. Pure. */
import { type Blame, CATALOGUE, type ErrorCode, isErrorCode, PosternError } from "../src/errors/mod.ts";
import { didYouMean } from "../src/config/mod.ts";

/** Who has to act, in words. */
const actors: Readonly<Record<Blame, string>> = {
  peer: "the other end of the connection",
  viewer: "the viewer",
  origin: "the published service",
  operator: "whoever runs this",
  control: "the control plane",
  local: "this node itself",
};

/** The code that was asked for. Throws `cli_argument_unexpected`. */
export function knownCode(text: string): ErrorCode {
  if (isErrorCode(text)) return text;
  throw new PosternError(
    "cli_argument_unexpected",
    `Cannot explain ${JSON.stringify(text.slice(0, 64))}: there is no such error code${
      didYouMean(text, Object.keys(CATALOGUE))
    }`,
    { detail: { command: "explain" } },
  );
}

/** The page of a code. */
export function explanationText(code: ErrorCode): string {
  const { title, blame, retryable, status, exit, cause, remedy } = CATALOGUE[code];
  const facts = [
    `who has to act: ${actors[blame]}`,
    `trying again: ${retryable ? "may succeed" : "does not help by itself"}`,
    ...(status === undefined ? [] : [`HTTP status: ${status}`]),
    ...(exit === undefined ? [] : [`exit code: ${exit}`]),
  ];
  return [`${code}: ${title}`, "", cause, "", `Fix: ${remedy}`, "", ...facts, ""].join("\n");
}

/** The same for programs. */
export function explanationJson(code: ErrorCode): string {
  return `${JSON.stringify({ code, ...CATALOGUE[code] })}\n`;
}
