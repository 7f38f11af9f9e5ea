/**
 * Who may come to whom among nodes. A rule is two selectors; whoever no rule names is refused.
 *
 * ```
 * selector   * | c1 | eu-* | label=office
 * ```
 */
import { isNodeId } from "../pki/mod.ts";

/** Characters of the longest selector: `label=` and a label. */
export const maxSelectorChars = 70;

const labelPrefix = "label=";
const labelPattern = /^[a-z0-9]([a-z0-9._=\/-]{0,62}[a-z0-9])?$/;
const globPattern = /^[A-Za-z0-9._*-]{1,64}$/;
/** Stars of one selector. */
const maxStars = 4;

export type NodeSelector =
  /** Ids, with `*` for any number of characters. */
  | { readonly kind: "id"; readonly pattern: string }
  | { readonly kind: "label"; readonly label: string };

/** Undefined for what is none. */
export function parseNodeSelector(text: string): NodeSelector | undefined {
  if (text.startsWith(labelPrefix)) {
    const label = text.slice(labelPrefix.length);
    return labelPattern.test(label) ? { kind: "label", label } : undefined;
  }
  const stars = text.split("*").length - 1;
  const isPattern = stars > 0 && stars <= maxStars && globPattern.test(text) && !text.includes("**");
  return isPattern || isNodeId(text) ? { kind: "id", pattern: text } : undefined;
}

/** In time linear in the id for each part between stars: ids and patterns are short. */
export function matchesNodeId(pattern: string, id: string): boolean {
  const [first, ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return id === first;
  if (!id.startsWith(first) || !id.endsWith(last) || id.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = id.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= id.length - last.length;
}

export interface NodeAccess {
  readonly rules: readonly { readonly connector: string; readonly tunneler: string }[];
  readonly labelled: readonly {
    readonly role: string;
    readonly nodeId: string;
    readonly labels: readonly string[];
  }[];
}

/**
 * Patterns of the ids of tunnelers that may come to a connector, each once, in order. Labels are resolved to ids here: a
 * certificate has none. A selector that cannot be read selects nobody.
 */
export function tunnelersOf({ rules, labelled }: NodeAccess, connectorId: string): readonly string[] {
  const withLabel = (role: string, label: string) =>
    labelled.filter((node) => node.role === role && node.labels.includes(label)).map(({ nodeId }) => nodeId);
  const found = new Set<string>();
  for (const rule of rules) {
    const connector = parseNodeSelector(rule.connector);
    const tunneler = parseNodeSelector(rule.tunneler);
    if (connector === undefined || tunneler === undefined) continue;
    const isMeant = connector.kind === "id"
      ? matchesNodeId(connector.pattern, connectorId)
      : withLabel("connector", connector.label).includes(connectorId);
    if (!isMeant) continue;
    if (tunneler.kind === "id") found.add(tunneler.pattern);
    else for (const id of withLabel("tunneler", tunneler.label)) found.add(id);
  }
  return found.has("*") ? ["*"] : [...found].sort();
}
