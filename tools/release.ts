/**
 * `deno task release:sign --key KEY.pem --file TARGET=dist/postern ...`: the signed manifest of a release, beside its files.
 *
 * ```
 * openssl genpkey -algorithm ed25519 -out release.key        keep it offline
 * openssl pkey -in release.key -pubout -out release.pub      goes to every machine: upgrade.key_file
 * ```
 * Writes manifest.json into the directory of the first file, in one step. Flags: --version (deno.json's), --channel (stable),
 * --minimum (0.0.0), --days (30), --percent (100), --label (repeatable), --next-key PUB.pem (repeatable), --key (repeatable),
 * --output.
 */
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { parseArgs } from "node:util";
import { PosternError } from "../src/errors/mod.ts";
import {
  type Artifact,
  publicKeyBytes,
  readReleaseKeys,
  releaseKeyId,
  signManifest,
} from "../src/release/mod.ts";
import { version as projectVersion } from "../src/version.ts";
import { print, printError } from "./print.ts";

const dayMs = 86_400_000;
const exitUsage = 2;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      key: { type: "string", multiple: true, default: [] },
      file: { type: "string", multiple: true, default: [] },
      label: { type: "string", multiple: true, default: [] },
      "next-key": { type: "string", multiple: true, default: [] },
      version: { type: "string", default: projectVersion },
      channel: { type: "string", default: "stable" },
      minimum: { type: "string", default: "0.0.0" },
      days: { type: "string", default: "30" },
      percent: { type: "string", default: "100" },
      output: { type: "string" },
    },
  });
  const files = values.file.map((text) => text.split(/=(.*)/s, 2));
  if (values.key.length === 0 || files.length === 0 || files.some(([, path]) => !path)) {
    printError(
      "Usage: deno task release:sign --key KEY.pem --file TARGET=PATH [--version VERSION] [--percent 10] ...",
    );
    return exitUsage;
  }
  const platforms: Record<string, Artifact> = {};
  for (const [target, path] of files) platforms[target] = await artifactOf(path);
  const signers = await Promise.all(values.key.map(async (path) => {
    const privateKey = createPrivateKey(await Deno.readTextFile(path));
    return { id: releaseKeyId(publicKeyBytes(createPublicKey(privateKey))), privateKey };
  }));
  const next = await Promise.all(
    values["next-key"].map(async (path) =>
      readReleaseKeys(await Deno.readTextFile(path)).map(({ text }) => text)
    ),
  );
  const nowMs = Date.now();
  const text = signManifest({
    format: 1,
    channel: values.channel,
    version: values.version,
    minimum_previous: values.minimum,
    created: new Date(nowMs).toISOString(),
    expires: new Date(nowMs + Number(values.days) * dayMs).toISOString(),
    rollout: { percent: Number(values.percent), labels: values.label },
    platforms,
    ...(next.length === 0 ? {} : { next_keys: next.flat() }),
  }, signers);
  const output = values.output ?? `${files[0][1].replace(/[^/]*$/, "")}manifest.json`;
  await Deno.writeTextFile(`${output}.tmp`, text);
  await Deno.rename(`${output}.tmp`, output);
  print(
    `release: ${output}: ${values.version} on ${values.channel} for ${values.percent} %, signed by ${
      signers.map(({ id }) => id).join(" and ")
    }`,
  );
  return 0;
}

async function artifactOf(path: string): Promise<Artifact> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const part of (await Deno.open(path)).readable) {
    hash.update(part);
    size += part.length;
  }
  return { file: path.replace(/^.*\//, ""), size, sha256: hash.digest("hex") };
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (
    !(error instanceof PosternError || error instanceof Deno.errors.NotFound || error instanceof TypeError)
  ) {
    throw error;
  }
  printError(error.message);
  Deno.exit(1);
}
