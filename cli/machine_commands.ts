/** The commands about machines with a TPM: what they prove, how they come in, what they are held to. */
import type { Command } from "./command.ts";
import { configFlag, jsonFlag, operatorFlags } from "./flags.ts";

export const attestCommand: Command = {
  name: "attest",
  summary: "Show what this machine's TPM proves, without telling anybody.",
  details: [
    "Example: postern attest --dry-run --tpm unix:/run/tpm.sock",
    "",
    "Shows endorsement key, attestation key and PCRs, and verifies a quote on the spot. With an operator's --token-file it",
    "asks control what it knows of this machine.",
  ],
  arguments: [],
  flags: [
    { name: "dry-run", help: "Required: agents attest by themselves, whenever a channel opens." },
    configFlag,
    jsonFlag,
  ],
  settings: "agent",
  commonKeys: ["tpm", "tpm_ek", "control", "token_file", "ca_file"],
  run: async (call) => (await import("./commands/attest.ts")).runAttest(call),
};

export const enrollCommand: Command = {
  name: "enroll",
  summary: "Enroll this machine with its TPM, or a node with a key of its own.",
  details: [
    "Example: postern enroll --token-file rack-7.token --control https://tunnel.example.com",
    "",
    "Takes the TPM at /dev/tpmrm0 unless --tpm or the configuration names another. Nothing secret is kept: the TPM makes the",
    "same keys at every start. May be run again with the same token when it was cut short.",
    "A token of a role and an id needs no TPM: the key is made here, and kept in the state directory, sealed to the TPM where",
    "--tpm names one.",
    "With --keygen nothing is enrolled: the public key that is printed may be sent to the operator over any way, and the token",
    "that is wrapped to it is of no use on another host.",
  ],
  arguments: [],
  flags: [
    {
      name: "token-file",
      help: "File with the one-time token of `postern enroll-token`.",
      placeholder: "FILE",
      file: true,
    },
    { name: "keygen", help: "Make this host's key, or tell it: `enroll-token --wrap-to` takes it." },
    { name: "force", help: "Take over a state directory that belongs to another machine." },
    configFlag,
    jsonFlag,
  ],
  settings: "agent",
  commonKeys: ["control", "tpm", "tpm_ek", "identity_seal", "ca_file", "proxy", "state_directory"],
  run: async (call) => (await import("./commands/enroll.ts")).runEnroll(call),
};

export const enrollTokenCommand: Command = {
  name: "enroll-token",
  summary: "Issue a one-time token that lets a machine enroll with its TPM.",
  details: [
    "Example: postern enroll-token --out rack-7.token --label prod --label rack-7",
    "",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
    "The token is in the file only: bring that to the machine, and run `postern enroll` there.",
    "With --link it is not even there: whoever opens the link that is printed sees the token, once.",
    "With --role and --id it lets a node in that has no TPM, by a key that the node makes.",
  ],
  arguments: [],
  flags: [
    {
      name: "out",
      short: "o",
      help: "New file for the token, for this user only.",
      placeholder: "FILE",
      file: true,
    },
    { name: "link", help: "Print a link to a page that shows the token once, in the place of --out." },
    {
      name: "label",
      short: "l",
      help: "Label of the machine or node, may be repeated; an enrolled one keeps its own when absent.",
      placeholder: "LABEL,...",
    },
    { name: "no-labels", help: "Take all labels from a machine or node that is enrolled already." },
    {
      name: "role",
      placeholder: "edge|connector|tunneler|control",
      help: "Let a node of this role in, by a key of its own and not by a TPM; with --id.",
    },
    { name: "id", placeholder: "ID", help: "Which node it is: its name in the cluster, for good." },
    { name: "ek", help: "SHA-256 of the only endorsement key that may use it.", placeholder: "SHA256" },
    { name: "ttl", help: "Life of the token; 1h unless the edge says.", placeholder: "DURATION" },
    {
      name: "wrap-to",
      help: "Only the host of this key can open the token: what `postern enroll --keygen` prints there.",
      placeholder: "HOST-KEY",
    },
    { name: "force", help: "Replace the file when there is one." },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/enroll_token.ts")).runEnrollToken(call),
};

export const machinesCommand: Command = {
  name: "machines",
  summary: "List the machines that are enrolled.",
  arguments: [],
  flags: [...operatorFlags, jsonFlag],
  run: async (call) => (await import("./commands/machines.ts")).runMachines(call),
};

export const machineCommand: Command = {
  name: "machine",
  summary: "Show, revoke, restore or delete a machine.",
  details: [
    "Example: postern machine revoke agent-w5z6k7hq2d3n4p5r6s7t2u3v4a --reason stolen",
    "",
    "A revoked machine has its channels cut within two seconds and cannot enroll again until it is restored.",
    "By the SHA-256 of its endorsement key, a machine can be revoked that never came. One that is revoked can be deleted: it",
    "is not listed any more, and its key stays revoked.",
  ],
  arguments: [
    {
      name: "ACTION",
      help: "show, revoke, restore or delete.",
      required: true,
      words: ["show", "revoke", "restore", "delete"],
    },
    { name: "MACHINE", help: "Agent id, or SHA-256 of the endorsement key.", required: true },
  ],
  flags: [
    { name: "reason", help: "Why it is revoked; kept, and shown to operators.", placeholder: "TEXT" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/machines.ts")).runMachine(call),
};

export const policyCommand: Command = {
  name: "policy",
  summary: "Learn, compare, apply, list or show the PCR policies that machines with a TPM are held to.",
  details: [
    "Example: postern policy learn --label rack --name racks --out racks.yaml",
    "         postern policy diff racks.yaml",
    "         postern policy apply racks.yaml --overlap 24h",
    "         postern policy show racks",
    "",
    "`learn` writes a policy that allows what the machines showed last; nothing is applied. `diff` tells what a file would",
    "change and which machines would pass. `apply` makes it the next version; with --overlap the version before stays",
    "accepted for as long.",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
  ],
  arguments: [
    {
      name: "ACTION",
      help: "learn, diff, apply, list or show.",
      required: true,
      words: ["learn", "diff", "apply", "list", "show"],
    },
    { name: "FILE", help: "Policy file for diff and apply; name of the policy for show.", required: false },
  ],
  flags: [
    { name: "agent", help: "Learn from this machine, for it alone.", placeholder: "AGENT-ID" },
    { name: "label", help: "Learn from all machines with this label, for them.", placeholder: "LABEL" },
    { name: "name", help: "Name of the policy.", placeholder: "NAME" },
    { name: "pcrs", help: "PCRs that have to be quoted; 0 to 7 when absent.", placeholder: "PCR,..." },
    { name: "bank", help: "Bank of PCRs; sha256 when absent.", placeholder: "sha256|sha384|sha512" },
    { name: "firmware", help: "Allow no other TPM firmware than theirs." },
    {
      name: "out",
      short: "o",
      help: "File for the policy, YAML or (.json) JSON; standard output when absent.",
      placeholder: "FILE",
      file: true,
    },
    { name: "force", help: "Overwrite the file." },
    { name: "overlap", help: "How long the version before stays accepted.", placeholder: "DURATION" },
    { name: "version", help: "Show this version instead of the newest.", placeholder: "VERSION" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/policy.ts")).runPolicy(call),
};
