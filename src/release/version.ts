/** Versions in the form and order of Semantic Versioning 2.0.0. */

/** Numbers of at most nine digits stay exact. */
const form =
  /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?$/;
const maxVersionChars = 64;

/** Whether it is `1.2.3` or `1.2.3-rc.1`. Build metadata (`+...`) has no order and is not taken. */
export function isVersion(text: string): boolean {
  return text.length <= maxVersionChars && form.test(text);
}

/** Below, at or above 0 as `a` is older than, the same as, or newer than `b` (section 11). Throws SyntaxError. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (const [at, number] of left.core.entries()) {
    if (number !== right.core[at]) return number - right.core[at];
  }
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (const [at, word] of left.pre.entries()) {
    if (at >= right.pre.length) return 1;
    const order = comparePart(word, right.pre[at]);
    if (order !== 0) return order;
  }
  return left.pre.length - right.pre.length;
}

function partsOf(text: string): { readonly core: readonly number[]; readonly pre: readonly string[] } {
  const match = text.length <= maxVersionChars ? form.exec(text) : null;
  if (match === null) throw new SyntaxError(`Cannot compare versions: ${JSON.stringify(text)} is none`);
  return { core: match.slice(1, 4).map(Number), pre: match[4]?.split(".") ?? [] };
}

/** Numbers come before words; numbers by value, words by their characters. */
function comparePart(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  if (isNumber && a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
