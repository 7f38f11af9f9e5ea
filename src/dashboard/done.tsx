/** What a form has done, said on the page that follows. The address names it by a word of this list, and no other text. */
import { Note } from "./parts.tsx";
import { still, type ViewPart } from "./visit.ts";

const texts = {
  machine_revoked: "The machine is revoked. Its channels are cut, and it stays out until it is restored.",
  machine_restored: "The machine is let in again. Its next quote begins a new history.",
  machine_deleted: "The machine is forgotten. Its TPM stays revoked.",
  drained: "The agents were asked to end their channels in order.",
  edge_drained: "The edge was asked to end its channels in order. No agents are sent to it any more.",
  edge_resumed: "Agents are sent to the edge again.",
  edge_silent: "The edge did not answer in time. Look again whether it is there.",
  policy_applied: "The policy is applied. It counts from the next proof on.",
  node_forgotten: "The node is forgotten. It is shown again when it is heard.",
  account_changed: "The account is changed.",
  account_deleted: "The account is deleted, and its sessions are over.",
  password_changed: "The password is changed. All other sessions of the account are over.",
  factor_added: "Every login of the account takes a code from now on. All other sessions of it are over.",
  factor_removed: "The second factor is gone: a login takes the password alone.",
  signed_out: "All other sessions of the account are over.",
} as const;
export type Done = keyof typeof texts;

/** The same address with the word. */
export function withDone(path: string, done: Done): string {
  return `${path}?done=${done}`;
}

export function doneParts(query: URLSearchParams): ViewPart[] {
  const done = query.get("done") ?? "";
  if (!Object.hasOwn(texts, done)) return [];
  return [still("done", <Note tone="good">{texts[done as Done]}</Note>)];
}
