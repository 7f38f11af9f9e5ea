/** `postern ca`. */
import type { Command } from "./command.ts";
import { jsonFlag, operatorFlags } from "./flags.ts";

export const caCommand: Command = {
  name: "ca",
  summary: "Show and rotate the authorities of node certificates, or take a node's identity back.",
  details: [
    "Example: postern ca show",
    "         postern ca rotate --plan",
    "         postern ca rotate --apply",
    "         postern ca request --out issuing.csr",
    "         postern ca sign --request issuing.csr --root-key-file root.key --root-cert-file root.pem --out issuing.pem",
    "         postern ca import --certificate issuing.pem",
    "         postern ca revoke --node spiffe://tunnel.example.com/connector/c1 --reason stolen",
    "",
    "A rotation publishes a new issuing CA beside the old one, issues by it after a while, and retires the old one when all",
    "nodes have renewed; control takes each step when it is due. To publish, the root's key has to be in STATE/ca.",
    "Where it is kept elsewhere, control makes a request, `sign` signs it there without any network, and `import` publishes it.",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
  ],
  arguments: [
    {
      name: "ACTION",
      help: "show, rotate, request, sign, import or revoke.",
      required: true,
      words: ["show", "rotate", "request", "sign", "import", "revoke"],
    },
  ],
  flags: [
    { name: "plan", help: "Say what a rotation would do." },
    { name: "apply", help: "Start the rotation, or take the step that is due." },
    { name: "root", help: "Make a new root as well." },
    {
      name: "out",
      short: "o",
      help: "New file, of `request` for the request, of `sign` for the certificate.",
      placeholder: "FILE",
      file: true,
    },
    { name: "force", help: "Replace that file when there is one." },
    { name: "request", help: "What `postern ca request` has written.", placeholder: "FILE", file: true },
    { name: "root-key-file", help: "The root's key, where `sign` runs.", placeholder: "FILE", file: true },
    {
      name: "root-cert-file",
      help: "The root's certificate, beside its key.",
      placeholder: "FILE",
      file: true,
    },
    { name: "days", help: "Life of the issuing CA; 365 when absent.", placeholder: "DAYS" },
    {
      name: "certificate",
      help: "What `postern ca sign` has written, for `import`.",
      placeholder: "FILE",
      file: true,
    },
    { name: "serial", help: "Take this certificate back, by its serial number.", placeholder: "HEX" },
    {
      name: "key-sha256",
      help: "Take this key back, by the SHA-256 of its SubjectPublicKeyInfo.",
      placeholder: "SHA256",
    },
    { name: "node", help: "Take this node back, whatever key it has.", placeholder: "SPIFFE-ID" },
    {
      name: "severity",
      help: "Channels that stand end after 30 s (drain), or at once (cut, when absent).",
      placeholder: "drain|cut",
    },
    { name: "reason", help: "Why it is taken back; kept, and shown to operators.", placeholder: "TEXT" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/ca.ts")).runCa(call),
};
