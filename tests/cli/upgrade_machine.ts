/**
 * A machine with a program of version 1.0.0 whose service runs, and a server of releases: real files, a real service that is
 * restarted by a script, and the real `postern upgrade`.
 */
import { createHash } from "node:crypto";
import { type ReleaseManifest, signManifest } from "../../src/release/mod.ts";
import { type MadeKey, makeKey, makeManifest } from "../release/made_release.ts";
import type { KeyPair } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";
import { TempDir } from "../support/temp_dir.ts";
import { type Ended, posternHere } from "./program.ts";

const waitMs = 90_000;

export class UpgradeMachine implements AsyncDisposable {
  readonly folder: TempDir;
  readonly program: string;
  readonly adminPort = freePort();
  readonly key: MadeKey = makeKey();
  /** What the server answers instead of a file, by path. */
  readonly answers = new Map<string, () => Response>();
  readonly asked: string[] = [];
  readonly #scheme: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param tls certificate and key of the server of releases; without it speaks http */
  private constructor(folder: TempDir, tls?: Pick<KeyPair, "cert" | "key">) {
    this.folder = folder;
    this.#scheme = tls === undefined ? "http" : "https";
    this.program = folder.file("bin/postern");
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...tls }, async (request) => {
      const { pathname } = new URL(request.url);
      this.asked.push(pathname);
      const answer = this.answers.get(pathname);
      if (answer !== undefined) return answer();
      try {
        return new Response(await Deno.readFile(folder.file(`dist${pathname}`)));
      } catch {
        return new Response(null, { status: 404 });
      }
    });
  }

  static async make(tls?: Pick<KeyPair, "cert" | "key">): Promise<UpgradeMachine> {
    const machine = new UpgradeMachine(await TempDir.make("upgrade"), tls);
    await machine.folder.write("bin/postern", programText("1.0.0"), 0o755);
    await machine.folder.write("release.pub", machine.key.publicPem);
    await machine.folder.write("service.ts", serviceText);
    await machine.folder.write("restart.sh", restartText(machine), 0o755);
    return machine;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#server.addr.port}/manifest.json`;
  }

  /** Publishes a program and its manifest. */
  async publish(
    version: string,
    { text = programText(version), signers = [this.key], size, ...changes }:
      & { text?: string; signers?: readonly MadeKey[]; size?: number }
      & Partial<ReleaseManifest> = {},
  ): Promise<ReleaseManifest> {
    const file = `postern-${version}`;
    await this.folder.write(`dist/${file}`, text);
    const artifact = {
      file,
      size: size ?? new TextEncoder().encode(text).length,
      sha256: createHash("sha256").update(text).digest("hex"),
    };
    const nowMs = Date.now();
    const manifest = makeManifest({
      version,
      created: new Date(nowMs).toISOString(),
      expires: new Date(nowMs + 86_400_000).toISOString(),
      platforms: { [Deno.build.target]: artifact },
      ...changes,
    });
    await this.folder.write("dist/manifest.json", signManifest(manifest, signers));
    return manifest;
  }

  /** Flags of an upgrade that has everything it needs. */
  get flags(): string[] {
    return [
      `--program=${this.program}`,
      `--manifest=${this.url}`,
      `--key-file=${this.folder.file("release.pub")}`,
      `--admin-listen=127.0.0.1:${this.adminPort}`,
      `--upgrade-restart=${this.folder.file("restart.sh")}`,
      "--upgrade-ready-timeout=90s",
    ];
  }

  /** Runs `postern upgrade`; a flag among the words takes the place of the one in {@link flags}. */
  upgrade(...words: string[]): Promise<Ended> {
    const given = new Set(words.map((word) => word.split("=")[0]));
    return posternHere(["upgrade", ...words, ...this.flags.filter((flag) => !given.has(flag.split("=")[0]))]);
  }

  /** Starts what is in place, unless it runs. */
  async start(): Promise<void> {
    if (await this.running() === await this.installed()) return;
    await new Deno.Command(this.folder.file("restart.sh"), { stdin: "null", stdout: "null", stderr: "null" })
      .output();
    const until = Date.now() + waitMs;
    while (await this.running() === undefined) {
      if (Date.now() > until) throw new Error("Cannot start service: it does not answer");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Version of the service that answers. */
  async running(): Promise<string | undefined> {
    try {
      return (await (await fetch(`http://127.0.0.1:${this.adminPort}/status`)).json()).version;
    } catch {
      return undefined;
    }
  }

  /** Version that the program in place tells when it is started. */
  async installed(): Promise<string> {
    const { stdout } = await new Deno.Command(this.program, { args: ["version", "--json"], stdin: "null" })
      .output();
    return JSON.parse(new TextDecoder().decode(stdout)).version;
  }

  /** Names beside the program, the program's own left out. */
  async beside(): Promise<string[]> {
    const names = (await Array.fromAsync(Deno.readDir(this.folder.file("bin")))).map(({ name }) => name);
    return names.filter((name) => name !== "postern").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      Deno.kill(Number(await Deno.readTextFile(this.folder.file("pid"))), "SIGKILL");
    } catch {
      // It was not started, or ended by itself.
    }
    await this.#server.shutdown();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** A program as small as one can be: it tells its version and serves as the service. `serve` may be replaced. */
export function programText(
  version: string,
  serve = `exec '${Deno.execPath()}' run -A --no-check "$2/service.ts" ${version} "$3"`,
): string {
  return `#!/bin/sh
case $1 in
version) echo '{"version":"${version}"}' ;;
serve) ${serve} ;;
esac
`;
}

/** The one before was told to end, but on a busy machine it may hold its port for a while. */
const serviceText = `const [version, port] = Deno.args;
const serve = () => Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, (request) =>
  new URL(request.url).pathname === "/status"
    ? Response.json({ role: "agent", agent_id: "agent-a", version })
    : new Response("ready"));
for (let isServing = false; !isServing;) {
  try {
    serve();
    isServing = true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
`;

/** What a service manager does. */
function restartText({ folder, program, adminPort }: UpgradeMachine): string {
  return `#!/bin/sh
[ -f '${folder.file("pid")}' ] && kill -9 "$(cat '${folder.file("pid")}')" 2>/dev/null
'${program}' serve '${folder.path}' ${adminPort} >/dev/null 2>&1 &
echo $! >'${folder.file("pid")}'
`;
}
