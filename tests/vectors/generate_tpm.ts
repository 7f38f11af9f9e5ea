/**
 * Captures tests/vectors/tpm/*.json: what a software TPM (swtpm, libtpms) attests when tpm2-tools ask it. Neither shares code
 * with Postern. Run with `deno run -A tests/vectors/generate_tpm.ts`; keys, counters and clock are other ones each time.
 */
import { toHex, utf8 } from "../../src/bytes/mod.ts";
import { Swtpm } from "../support/swtpm.ts";

const akAttributes = ["fixedtpm", "fixedparent", "sensitivedataorigin", "userwithauth", "restricted", "sign"];
const nonce = "00112233445566778899aabbccddeeff".repeat(2);
const folder = new URL("tpm/", import.meta.url);

/** A quote or certification, and what the verifier is told of it. Bytes are hex. */
interface Captured {
  readonly title: string;
  readonly ak_public: string;
  readonly ak_parent?: string;
  readonly qualifying_data: string;
  readonly attested: string;
  readonly signature: string;
}

/** A key of the TPM, as tpm2-tools have it. */
class Key {
  constructor(readonly context: string, readonly publicArea: string, readonly name: string) {}
}

await using tpm = await Swtpm.start({ name: "vectors" });
await run("pcrallocate", "sha1:all+sha256:all+sha384:all");
await tpm.reset();
for (const pcr of [0, 1, 4, 7, 23]) await tpm.extend(pcr, new Uint8Array(32).fill(pcr + 1));

const p256 = await primary("ecc256:ecdsa-sha256");
const p384 = await primary("ecc384:ecdsa-sha384");
const rsassa = await primary("rsa2048:rsassa-sha256");
const rsapss = await primary("rsa2048:rsapss-sha256");
const rsapss3072 = await primary("rsa3072:rsapss-sha384");

const quotes = [
  await quote("P-256, bank sha256", p256, "sha256:0,1,2,3,4,5,6,7"),
  await quote("P-256, all PCRs", p256, `sha256:${Array.from({ length: 24 }, (_, pcr) => pcr).join(",")}`),
  await quote("P-256, bank sha384: the digest is of SHA-256", p256, "sha384:0,7"),
  await quote("P-384 with SHA-384, bank sha256: the digest is of SHA-384", p384, "sha256:0,1,7,23"),
  await quote("RSASSA", rsassa, "sha256:0,1,7"),
  await quote("RSAPSS", rsapss, "sha256:0,1,7"),
  await quote("RSAPSS, RSA-3072 with SHA-384, bank sha384", rsapss3072, "sha384:23"),
];
const child = await childOfEk();
quotes.push({
  ...await quote("P-256, child of the endorsement key", child.key, "sha256:0,7"),
  ak_parent: child.parent,
});
await tpm.extend(23);
quotes.push(await quote("P-256, PCR 23 extended", p256, "sha256:23"));
await tpm.restart();
const restarted = await primary("ecc256:ecdsa-sha256");
quotes.push(await quote("P-256, TPM restarted", restarted, "sha256:0,23"));
await tpm.reset();
const reset = await primary("ecc256:ecdsa-sha256");
quotes.push(await quote("P-256, TPM reset", reset, "sha256:0,23"));
await tpm.kill();
await tpm.powerOn();
const crashed = await primary("ecc256:ecdsa-sha256");
quotes.push(await quote("P-256, power cut: the clock is not safe", crashed, "sha256:0,23"));
await write("quotes", quotes);

const ak = await primary("ecc256:ecdsa-sha256");
const loose = ["fixedtpm", "fixedparent", "sensitivedataorigin", "userwithauth", "sign"];
const other = await primary("ecc256", "e", loose);
const certified = await certification("P-256 certifies a signing key", ak, other);
await write("certifications", [certified]);

const sha256 = "sha256:0,1,7";
const { attested, signature, qualifying_data } = certified;
const inPlace = { attested, signature, qualifying_data };
const asQuote = { ...await quote("a certification in place of a quote", ak, sha256), ...inPlace };
await write("refusals", [
  refused("quote_expected", asQuote),
  refused("quote_bank_inactive", await quote("bank sha512 is not active", ak, "sha512:0,1,7")),
  refused("quote_selection_ambiguous", await quote("two banks", ak, "sha256:0,1,7+sha384:0,1,7")),
  refused("quote_bank_wrong", { ...await quote("bank sha1", ak, "sha1:0,1,7"), asked_bank: "sha256" }),
  refused("attest_nonce_empty", { ...await quote("no nonce", ak, sha256, ""), qualifying_data: nonce }),
  refused("attest_nonce_wrong", {
    ...await quote("another nonce", ak, sha256, "aa"),
    qualifying_data: nonce,
  }),
  refused(
    "tpm_attest_unsupported",
    await timeInPlaceOf(await quote("the time in place of a quote", ak, sha256)),
  ),
  refused(
    "attest_signer_wrong",
    await quote("key in the owner hierarchy", await primary("ecc256:ecdsa-sha256", "o"), sha256),
  ),
  refused("tpm_hash_weak", await quote("ECDSA with SHA-1", await primary("ecc256:ecdsa-sha1"), sha256)),
  refused("ak_modulus_short", await quote("RSA-1024", await primary("rsa1024:rsassa-sha256"), sha256)),
  refused(
    "ak_not_restricted",
    await forged(await quote("forged: signed by a key that signs everything", ak, sha256)),
  ),
  refused("ak_not_fixed_tpm", await quote("key that may leave the TPM", await movable(), sha256)),
]);

await write("endorsement", {
  captured_at_ms: Date.now(),
  root: await authority("root"),
  intermediate: await authority("intermediate"),
  ...Object.fromEntries(Object.entries(tpm.certificates).map(([kind, der]) => [kind, toHex(der)])),
});

/** Runs a tool. There is no resource manager: objects that it left have to go. */
async function run(command: string, ...args: string[]): Promise<string> {
  const printed = await tpm.tool(command, ...args);
  await tpm.tool("flushcontext", "-t");
  return printed;
}

async function readHex(name: string): Promise<string> {
  return toHex(await Deno.readFile(tpm.file(name)));
}

async function keyOf(context: string): Promise<Key> {
  await run("readpublic", "-c", context, "-f", "tss", "-o", "key.pub", "-n", "key.name");
  // TPM2B_PUBLIC without its size.
  return new Key(context, (await readHex("key.pub")).slice(4), await readHex("key.name"));
}

async function primary(algorithm: string, hierarchy = "e", attributes = akAttributes): Promise<Key> {
  const context = `${hierarchy}-${algorithm.replaceAll(":", "-")}.ctx`;
  const full = algorithm.includes(":") ? `${algorithm}:null` : algorithm;
  await run("createprimary", "-C", hierarchy, "-G", full, "-a", attributes.join("|"), "-c", context);
  return await keyOf(context);
}

async function childOfEk(): Promise<{ key: Key; parent: string }> {
  await run("createek", "-G", "rsa", "-c", "ek.ctx");
  const parent = /qualified name: ([0-9a-f]+)/.exec(await run("readpublic", "-c", "ek.ctx"))![1];
  await run("createak", "-C", "ek.ctx", "-c", "child.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa");
  return { key: await keyOf("child.ctx"), parent };
}

/** A restricted key that could be duplicated: below a storage key, neither bound to it nor to the TPM. */
async function movable(): Promise<Key> {
  await run("createprimary", "-C", "e", "-c", "storage.ctx");
  const attributes = akAttributes.filter((one) => !one.startsWith("fixed")).join("|");
  const files = ["-u", "movable.pub", "-r", "movable.priv", "-c", "movable.ctx"];
  await run("create", "-C", "storage.ctx", "-G", "ecc256:ecdsa-sha256:null", "-a", attributes, ...files);
  return await keyOf("movable.ctx");
}

async function capture(title: string, { publicArea }: Key, qualifyingData: string): Promise<Captured> {
  return {
    title,
    ak_public: publicArea,
    qualifying_data: qualifyingData,
    attested: await readHex("attested"),
    signature: await readHex("signature"),
  };
}

async function quote(title: string, key: Key, selection: string, qualifyingData = nonce) {
  const [bank, list] = selection.split("+")[0].split(":");
  const pcrs = list.split(",").map(Number);
  const bound = qualifyingData === "" ? [] : ["-q", qualifyingData];
  const files = ["-m", "attested", "-s", "signature", "-f", "tss"];
  await run("quote", "-c", key.context, "-l", selection, ...schemeOf(key), ...bound, ...files);
  const captured = await capture(title, key, qualifyingData);
  await run("pcrread", `${bank}:${list}`, "-o", "pcrs");
  const read = await readHex("pcrs");
  const width = read.length / pcrs.length;
  const values = pcrs.map((pcr, at) => [pcr, read.slice(at * width, (at + 1) * width)]);
  return { ...captured, pcrs: { bank, values: Object.fromEntries(values) as Record<string, string> } };
}

/** The tool asks for what the key has but one of. */
function schemeOf({ context }: Key): readonly string[] {
  const [, scheme, hash] = /(rsassa|rsapss|ecdsa)-(sha\d+)\.ctx$/.exec(context) ?? ["", "ecdsa", "sha256"];
  return ["-g", hash, "--scheme", scheme];
}

async function certification(title: string, key: Key, subject: Key) {
  const files = ["-o", "attested", "-s", "signature", "-f", "tss"];
  await run("certify", "-C", key.context, "-c", subject.context, "-g", "sha256", ...files);
  // tpm2_certify has no option for qualifying data: it asks for these bytes.
  return { ...await capture(title, key, "00ff55aa"), name: subject.name };
}

async function timeInPlaceOf<T extends Captured>(captured: T): Promise<T> {
  await run(
    "gettime",
    "-c",
    ak.context,
    "-q",
    nonce,
    "--attestation",
    "attested",
    "-o",
    "signature",
    "-f",
    "tss",
  );
  return { ...captured, attested: await readHex("attested"), signature: await readHex("signature") };
}

/** The bytes of a real quote, signed by the same TPM with a key that has no scruples. */
async function forged<T extends Captured>(captured: T): Promise<T> {
  const key = await primary("ecc256:ecdsa-sha256", "e", loose);
  await Deno.writeFile(tpm.file("message"), Uint8Array.fromHex(captured.attested));
  await run("sign", "-c", key.context, "-g", "sha256", "-f", "tss", "-o", "signature", "message");
  return { ...captured, ak_public: key.publicArea, signature: await readHex("signature") };
}

function refused<T extends Captured>(code: string, captured: T) {
  return { ...captured, code };
}

/** A certificate of those who certified the endorsement keys. */
async function authority(name: string): Promise<string> {
  const pem = await Deno.readTextFile(`${tpm.rootsDirectory}/${name}.pem`);
  return toHex(Uint8Array.fromBase64(pem.replace(/-----[A-Z ]+-----/g, "")));
}

async function write(name: string, vectors: unknown): Promise<void> {
  await Deno.writeFile(new URL(`${name}.json`, folder), utf8(`${JSON.stringify(vectors, null, 2)}\n`));
}
