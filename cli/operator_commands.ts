/** The commands of operators: who may do what, and what was done. */
import type { Command } from "./command.ts";
import { configFlag, jsonFlag, operatorFlags } from "./flags.ts";

export const tokenCommand: Command = {
  name: "token",
  summary: "Issue a management token, or revoke tokens.",
  details: [
    "Example: postern token --owner alice --out agent.token",
    "         postern token revoke --owner alice",
    "",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
    "Agents renew the token in their file; --ttl is when that ends.",
  ],
  arguments: [{ name: "ACTION", help: "revoke; issues when absent.", required: false, words: ["revoke"] }],
  flags: [
    { name: "owner", help: "Whose tokens: letters, digits and ._:@-", placeholder: "NAME" },
    {
      name: "role",
      help: "member = its own tunnels; operator = everything.",
      placeholder: "member|operator",
    },
    {
      name: "ttl",
      help: "Time until the token and its renewals end; 30d unless the edge says.",
      placeholder: "DURATION",
    },
    { name: "family", help: "Revoke one token and its renewals only.", placeholder: "ID" },
    {
      name: "out",
      short: "o",
      help: "Write the token into this file, for this user only, instead of printing it.",
      placeholder: "FILE",
      file: true,
    },
    { name: "force", help: "Replace a file that holds something else than a token of this owner." },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/token.ts")).runToken(call),
};

export const adminCommand: Command = {
  name: "admin",
  summary: "Make a link for a new owner of this edge, on its own machine.",
  details: [
    "Example: postern admin reset --out owner.url --config edge.yaml",
    "",
    "For when nobody can sign in any more. Run it as the user of the edge and with its settings: it writes into the edge's own",
    "database. Whoever opens the link first, within an hour, makes an account that may do everything.",
  ],
  arguments: [{ name: "ACTION", help: "reset.", required: true, words: ["reset"] }],
  flags: [
    {
      name: "out",
      short: "o",
      help: "New file for the link, for this user only.",
      placeholder: "FILE",
      file: true,
    },
    { name: "force", help: "Replace the file when there is one." },
    configFlag,
  ],
  settings: "edge",
  commonKeys: ["state_directory", "database_url_file", "public_host", "public_url_port"],
  run: async (call) => (await import("./commands/admin.ts")).runAdmin(call),
};

export const auditCommand: Command = {
  name: "audit",
  summary: "Show, export or verify the audit log.",
  details: [
    "Example: postern audit",
    "         postern audit export --out audit.jsonl",
    "         postern audit verify --in audit.jsonl --since 4711:HASH",
    "",
    "Each line holds the hash of the line before it. `verify` follows them, and prints the newest line as ID:HASH: note",
    "it elsewhere, and --since shows later whether anything up to it was changed.",
  ],
  arguments: [{
    name: "ACTION",
    help: "export or verify; shows the newest lines when absent.",
    required: false,
    words: ["export", "verify"],
  }],
  flags: [
    { name: "lines", help: "How many lines are shown; 20 when absent.", placeholder: "COUNT" },
    {
      name: "out",
      short: "o",
      help: "File for the export; standard output when absent.",
      placeholder: "FILE",
      file: true,
    },
    { name: "in", help: "Verify an export instead of asking control.", placeholder: "FILE", file: true },
    { name: "since", help: "A line that was noted before.", placeholder: "ID:HASH" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/audit.ts")).runAudit(call),
};
