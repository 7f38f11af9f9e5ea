/** PCR policies as files: YAML or JSON, made to be read, reviewed and kept beside other configuration. */
import { parseDocumentFile } from "../src/config/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import { type PcrPolicy, readPolicy, selectionOf } from "../src/policy/mod.ts";
import { readBoundedFile } from "./load.ts";

/** Throws `config_file_unreadable`, `config_file_too_large`, `config_syntax_invalid`, `policy_invalid`. */
export async function readPolicyFile(path: string): Promise<PcrPolicy> {
  const document = parseDocumentFile(await readBoundedFile(path), path);
  try {
    return readPolicy(document);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    const message = error.message.replace(/^Cannot read policy/, () => `Cannot read policy in ${path}`);
    throw new PosternError(error.code, message, { detail: error.detail });
  }
}

/** What PCRs measure, in short (TCG PC Client Platform Firmware Profile 3.3.4; UAPI Linux TPM PCR registry). */
const MEASURES: Readonly<Record<number, string>> = {
  0: "firmware code",
  1: "firmware settings",
  2: "option ROMs",
  3: "settings of option ROMs",
  4: "boot loader and kernel",
  5: "partition table and settings of the boot loader",
  6: "the manufacturer's own",
  7: "secure boot: its state, keys and what it let pass",
  8: "commands of the boot loader (GRUB)",
  9: "files that the boot loader read (GRUB), initrd (kernel)",
  10: "files that were run (IMA)",
  11: "unified kernel image (systemd-stub)",
  12: "kernel command line and credentials (systemd-stub)",
  13: "system extensions (systemd-stub)",
  14: "keys of shim",
  15: "file system and machine identity (systemd)",
};

/** YAML of a policy, with what each PCR measures; `json`: JSON. */
export function formatPolicy(policy: PcrPolicy, json: boolean): string {
  if (json) return `${JSON.stringify(policy, null, 2)}\n`;
  const { name, version, description, bank, labels, firmware, retired } = policy;
  // A JSON string is a YAML string; without quotes some digests would be numbers.
  const quoted = (value: string) => JSON.stringify(value);
  const lines = [
    `name: ${quoted(name)}`,
    `version: ${version}`,
    ...(description === undefined ? [] : [`description: ${quoted(description)}`]),
    "# Machines that have all of these labels; a machine's agent id is a label of it. None: every machine.",
    `labels: [${labels.map(quoted).join(", ")}]`,
    `bank: ${bank}`,
    "# The exact PCRs that have to be quoted, with what each may hold; any: whatever it holds.",
    "pcrs:",
    ...selectionOf(policy).pcrs.flatMap((pcr) => {
      const allowed = policy.pcrs[pcr];
      const note = MEASURES[pcr] === undefined ? "" : ` # ${MEASURES[pcr]}`;
      return allowed === "any"
        ? [`  "${pcr}": any${note}`]
        : [`  "${pcr}":${note}`, ...allowed.map((digest) => `    - ${quoted(digest)}`)];
    }),
    ...(firmware === undefined ? [] : [
      "# Firmware versions of the TPM, as its quotes tell them.",
      "firmware:",
      ...firmware.map((version) => `  - ${quoted(version)}`),
    ]),
    ...(retired === undefined ? [] : ["retired: true"]),
  ];
  return `${lines.join("\n")}\n`;
}
