/** Content negotiation (RFC 9110 12.5.1), as far as an error needs it: a page or a problem document. */

/** Elements of Accept that are looked at; browsers send about eight. */
const MAX_RANGES = 32;
const JSON_TYPES = new Set(["application/problem+json", "application/json"]);

/** Whether Accept names text/html and ranks it above JSON. Wildcards say nothing about people or programs. */
export function prefersHtml(accept: string | null): boolean {
  if (accept === null) return false;
  let html = 0;
  let json = 0;
  for (const range of accept.split(",", MAX_RANGES)) {
    const [type, ...parameters] = range.split(";", 8).map((part) => part.trim().toLowerCase());
    const weight = weightOf(parameters);
    if (type === "text/html") html = Math.max(html, weight);
    else if (JSON_TYPES.has(type)) json = Math.max(json, weight);
  }
  return html > json;
}

/** `q` of a range: 0 to 1, 1 without one, 0 when malformed. */
function weightOf(parameters: readonly string[]): number {
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  if (q === undefined) return 1;
  return /^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$/.test(q.slice(2)) ? Number(q.slice(2)) : 0;
}
