import {
  ekProver,
  EnrolledIdentity,
  hostKeyFileIn,
  hostKeyOf,
  identityFileIn,
  openToken,
  type SecretFiles,
  secretFilesOf,
} from "../../agent/identity/mod.ts";
import {
  checkMachineFile,
  ControlClient,
  enroll,
  machineFileIn,
  openTpm,
  proxyChooser,
  writeMachineFile,
} from "../../agent/mod.ts";
import { instant } from "../../src/bytes/mod.ts";
import { isLoopbackHost, parseTpmAddress, readSecretFile, type TpmAddress } from "../../src/config/mod.ts";
import { openPrivateDirectory, readAuthorities, systemClock, systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls, noLog } from "../../src/telemetry/mod.ts";
import { version } from "../../src/version.ts";
import type { Call } from "../command.ts";
import { loadAgent } from "../load.ts";
import { terminalBeside } from "../tpm_terminal.ts";

/** The TPM of a Linux machine, behind the kernel's resource manager. */
const DEFAULT_TPM = parseTpmAddress("/dev/tpmrm0") as TpmAddress;

/**
 * `postern enroll --token-file FILE [--tpm ADDRESS] [--control URL]`, or `postern enroll --keygen`, which prints the key that
 * a token may be wrapped to. Throws `cli_flag_value_missing`, `config_value_invalid`, `host_key_*`, `wrapped_token_*`, the codes of secret files
 * and of the TPM, `machine_replaced`, `identity_exists`, and what control refuses with.
 */
export async function runEnroll(call: Call): Promise<number> {
  const { "token-file": tokenFile } = call.values;
  if (call.switches.has("keygen")) return await makeHostKey(call, tokenFile);
  if (tokenFile === undefined) {
    throw new PosternError(
      "cli_flag_value_missing",
      "Cannot run postern enroll: --token-file names the file that `postern enroll-token` has written",
      { detail: { command: "enroll" } },
    );
  }
  const { config } = await loadAgent(call);
  const terminal = terminalBeside(config.tpm, call.terminal);
  const { secret, warning } = await readSecretFile(tokenFile, Deno);
  if (warning !== undefined) terminal.err(`${escapeControls(warning)}\n`);
  const directory = config.stateDirectory.replace(/(?<=.)\/+$/, "");
  const files = secretFilesOf(config, { clock: systemClock, random: systemRandom, log: noLog });
  const token = await openToken(secret, hostKeyFileIn(directory), files);
  if (isNodeToken(token)) return await enrollNode({ ...call, terminal }, config, directory, { token, files });
  const file = machineFileIn(directory);
  const tpm = await openTpm(config.tpm ?? DEFAULT_TPM, {
    clock: systemClock,
    random: systemRandom,
    ek: config.tpmEk ?? undefined,
  });
  if (config.control.some((url) => url.startsWith("http:") && !isLoopbackHost(new URL(url).hostname))) {
    terminal.err("control is asked over plain http: the token can be read on the way\n");
  }
  if (!call.switches.has("force")) await checkMachineFile(file, tpm.agentId);
  const control = await controlOf(config);
  try {
    const { agentId, labels } = await enroll(tpm, control, token, never);
    await openPrivateDirectory(directory);
    const enrolledAt = instant(systemClock.wall());
    await writeMachineFile(file, { agent_id: agentId, control: control.url, enrolled_at: enrolledAt });
    const facts = { agent_id: agentId, labels, tier: "tpm", ek_sha256: tpm.ekSha256, ek: tpm.ekTemplate };
    const told = `enrolled as ${agentId}, labels ${labels.join(", ") || "none"}; EK ${tpm.ekSha256}`;
    terminal.out(`${call.switches.has("json") ? JSON.stringify(facts) : escapeControls(told)}\n`);
    return 0;
  } finally {
    control.close();
  }
}

/** Prints the public key of this host. Nothing is asked of control. */
async function makeHostKey(call: Call, tokenFile: string | undefined): Promise<number> {
  if (tokenFile !== undefined) {
    throw new PosternError(
      "config_value_invalid",
      "Cannot use --keygen: it stands in the place of --token-file",
    );
  }
  const { config } = await loadAgent(call);
  const directory = config.stateDirectory.replace(/(?<=.)\/+$/, "");
  await openPrivateDirectory(directory);
  const file = hostKeyFileIn(directory);
  const terminal = terminalBeside(config.tpm, call.terminal);
  const files = secretFilesOf(config, { clock: systemClock, random: systemRandom, log: noLog });
  const key = await hostKeyOf(file, systemRandom, files);
  terminal.out(`${call.switches.has("json") ? JSON.stringify({ host_key: key, file }) : key}\n`);
  return 0;
}

/** One with a pin lets a node in, by a key of its own. */
function isNodeToken(token: string): boolean {
  return token.split(".").length === 4;
}

async function enrollNode(
  call: Call,
  config: Awaited<ReturnType<typeof loadAgent>>["config"],
  directory: string,
  { token, files }: { readonly token: string; readonly files: SecretFiles },
): Promise<number> {
  const { terminal } = call;
  await openPrivateDirectory(directory);
  const control = await controlOf(config);
  try {
    const path = identityFileIn(directory);
    const options = {
      path,
      files,
      controls: [control],
      ...(config.tpm === null
        ? {}
        : { proveEk: ekProver(config, config.tpm, control, { clock: systemClock, random: systemRandom }) }),
      clock: systemClock,
      random: systemRandom,
      log: noLog,
    };
    const identity = await EnrolledIdentity.enroll(options, token, call.switches.has("force"));
    const { role, id, trustDomain } = identity.id;
    const expires = instant(identity.endsAtMs);
    const facts = { role, id, trust_domain: trustDomain, expires_at: expires, file: path, key: files.kind };
    const where = files.kind === "tpm" ? "sealed to the TPM" : "not in a TPM";
    const told =
      `enrolled as ${role} ${id} of ${trustDomain} until ${expires}; its key is in ${path}, ${where}`;
    terminal.out(`${call.switches.has("json") ? JSON.stringify(facts) : escapeControls(told)}\n`);
    return 0;
  } finally {
    control.close();
  }
}

async function controlOf(config: Awaited<ReturnType<typeof loadAgent>>["config"]): Promise<ControlClient> {
  return new ControlClient({
    url: config.control,
    clock: systemClock,
    caCerts: config.caFile === null ? undefined : [await readAuthorities(config.caFile)],
    proxyFor: await proxyChooser(config, noLog),
    userAgent: `postern/${version}`,
  });
}

/** The client bounds the time by itself, and so does the TPM's. */
const never = new AbortController().signal;
