import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runVectorFile, summaryOf } from "../../tools/vectors.ts";
import { MalformedVectors } from "../../tools/vectors/result.ts";

const pathOf = (name: string) => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
const script = fileURLToPath(new URL("../../tools/vectors.ts", import.meta.url));

interface Vector {
  [field: string]: unknown;
  protocol_name: string;
  messages: { payload: string; ciphertext: string }[];
}

function readVectors(): Vector[] {
  return JSON.parse(Deno.readTextFileSync(pathOf("noise_c.json"))).vectors;
}

async function withFile<T>(text: string, use: (path: string) => T | Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, text);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

async function run(...args: string[]): Promise<{ code: number; lines: string[]; errors: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--quiet", script, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, lines: decoder.decode(stdout).trimEnd().split("\n"), errors: decoder.decode(stderr) };
}

Deno.test("runVectorFile() passes every vector made by noise-c", () => {
  const results = runVectorFile(pathOf("noise_c.json"));
  assert.equal(summaryOf(results), "15 passed, 0 failed");
});

Deno.test("runVectorFile() passes the pinned psk and hybrid vectors", () => {
  const results = runVectorFile(pathOf("noise_postern.json"));
  assert.equal(summaryOf(results), "12 passed, 0 failed");
});

Deno.test("runVectorFile() fails a vector when any of its bytes differs", async () => {
  const mutate = (text: string) => (text[0] === "0" ? "1" : "0") + text.slice(1);
  const [, , , , , , , xk] = readVectors();
  assert.match(xk.protocol_name, /_XK_/);
  const mutants: Vector[] = xk.messages.flatMap((message, i) =>
    (["payload", "ciphertext"] as const).map((field) => ({
      ...xk,
      messages: xk.messages.with(i, { ...message, [field]: mutate(message[field]) }),
    }))
  );
  for (const field of ["handshake_hash", "resp_static", "init_remote_static", "init_prologue"]) {
    mutants.push({ ...xk, [field]: mutate(xk[field] as string) });
  }
  const results = await withFile(JSON.stringify({ vectors: [...mutants, xk] }), runVectorFile);
  assert.equal(summaryOf(results), `1 passed, ${mutants.length} failed`);
  for (const result of results.slice(0, -1)) assert.ok(result.reason);
});

Deno.test("runVectorFile() skips functions and patterns that the product has not, and says which", async () => {
  const [vector] = readVectors();
  const names = [
    "Noise_NN_448_ChaChaPoly_SHA256",
    "Noise_NN_25519_AESGCM_SHA256",
    "Noise_NN_25519_ChaChaPoly_BLAKE2s",
    "Noise_NNhfs_25519+NewHope_ChaChaPoly_SHA256",
    "Noise_XXfallback_25519_ChaChaPoly_SHA256",
    "NoisePSK_XX_25519_ChaChaPoly_SHA256",
  ];
  const vectors = names.map((name) => ({ ...vector, protocol_name: name }));
  const results = await withFile(JSON.stringify({ vectors }), runVectorFile);
  assert.equal(summaryOf(results), "0 passed, 0 failed, 6 skipped");
  assert.deepEqual(results.slice(0, 4).map(({ reason }) => reason), [
    "no DH 448",
    "no cipher AESGCM",
    "no hash BLAKE2s",
    "no KEM NewHope",
  ]);
});

Deno.test("runVectorFile() reads the older field `name` and files without handshake hash", async () => {
  const vectors = readVectors().map(({ protocol_name, handshake_hash: _, ...rest }) => ({
    name: protocol_name,
    ...rest,
  }));
  const results = await withFile(JSON.stringify({ vectors }), runVectorFile);
  assert.equal(summaryOf(results), "15 passed, 0 failed");
});

Deno.test("runVectorFile() refuses malformed files and says where", async () => {
  const [vector] = readVectors();
  const cases: [string, RegExp][] = [
    ["{", /Cannot parse/],
    ["null", /no known format/],
    ["{}", /no known format/],
    ['{"vectors":[]}', /no vectors/],
    ['{"vectors":[7]}', /vectors\[0\] is not an object/],
    ['{"vectors":[{}]}', /vectors\[0\]\.name is not a string/],
    [
      JSON.stringify({ vectors: [{ ...vector, init_ephemeral: "xyz" }] }),
      /vectors\[0\]\.init_ephemeral is not hex/,
    ],
    [JSON.stringify({ vectors: [{ ...vector, init_psks: [7] }] }), /init_psks\[0\] is not a hex string/],
    [JSON.stringify({ vectors: [{ ...vector, messages: 7 }] }), /messages is not an array/],
    [JSON.stringify({ vectors: [{ ...vector, messages: [] }] }), /has 0 messages/],
  ];
  for (const [text, pattern] of cases) {
    await withFile(text, (path) => {
      assert.throws(() => runVectorFile(path), (error) => {
        assert.ok(error instanceof MalformedVectors);
        assert.match(error.message, pattern);
        return true;
      });
    });
  }
});

Deno.test("deno task vectors prints a summary last and exits 0, 1 on a failure, 2 on a file it cannot run", async () => {
  const good = await run(pathOf("noise_c.json"), "--verbose");
  assert.equal(good.code, 0);
  assert.equal(good.lines.at(-1), "15 passed, 0 failed");
  assert.equal(good.lines.length, 16);
  const [vector] = readVectors();
  const vectors = [{ ...vector, handshake_hash: "00" }, {
    ...vector,
    protocol_name: "Noise_N_448_ChaChaPoly_SHA256",
  }];
  const bad = await withFile(JSON.stringify({ vectors }), (path) => run(path));
  assert.equal(bad.code, 1);
  assert.equal(bad.lines.at(-1), "0 passed, 1 failed, 1 skipped");
  assert.match(bad.lines[0], /^failed Noise_N_25519_ChaChaPoly_SHA256: handshake hash/);
  const missing = await run("/nonexistent/vectors.json");
  assert.equal(missing.code, 2);
  assert.match(missing.errors, /Cannot read \/nonexistent\/vectors.json/);
  assert.equal((await run()).code, 2);
  assert.equal((await run(pathOf("noise_c.json"), "--fast")).code, 2);
});
