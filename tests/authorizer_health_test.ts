import assert from "node:assert/strict";
import { AuthorizerHealth } from "../src/authorizer_health.ts";
import { edgeDefaults } from "../src/config/mod.ts";
import { codeOf } from "../src/errors/mod.ts";
import type { LogFields } from "../src/ports/mod.ts";
import { CertificateAuthority } from "./support/certificates.ts";
import { TempDir } from "./support/temp_dir.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

/** An authorizer over TLS, and who asks it. */
class Scene implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly logged: LogFields[] = [];
  readonly paths: string[] = [];
  answer: (request: Request) => Response | Promise<Response> = () => new Response("well");
  readonly #ca: CertificateAuthority;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  health!: AuthorizerHealth;

  private constructor(ca: CertificateAuthority, pair: { cert: string; key: string }) {
    this.#ca = ca;
    const { cert, key } = pair;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen() {} }, (request) => {
      this.paths.push(new URL(request.url).pathname);
      return this.answer(request);
    });
  }

  static async open(
    settings: (scene: Scene) => Record<string, string> = (scene) => scene.trusting,
  ): Promise<Scene> {
    const ca = await CertificateAuthority.make();
    const scene = new Scene(ca, await ca.issue({ names: ["DNS:localhost"] }));
    const { clock } = scene;
    const log = (_level: string, _event: string, fields: LogFields = {}) => void scene.logged.push(fields);
    scene.health = await AuthorizerHealth.open(edgeDefaults(settings(scene)), { clock, log });
    return scene;
  }

  get trusting(): Record<string, string> {
    return {
      "reauth.authorizer_status_uri": this.url("/status"),
      "reauth.authorizer_ca_file": this.#ca.ca.certPath,
    };
  }

  url(path: string, host = "localhost"): string {
    return `https://${host}:${this.#server.addr.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.health.close();
    await this.#server.shutdown();
    await this.#ca[Symbol.asyncDispose]();
  }
}

Deno.test("AuthorizerHealth.isHealthy() takes 200 and nothing else for well, and follows nothing", async () => {
  await using scene = await Scene.open();
  assert.equal(await scene.health.isHealthy(scene.url("/status")), true);
  for (const status of [201, 204, 301, 302, 404, 429, 500, 503]) {
    scene.answer = () => new Response(null, { status, headers: { location: scene.url("/elsewhere") } });
    assert.equal(await scene.health.isHealthy(scene.url("/status")), false, `${status}`);
  }
  assert.ok(scene.paths.every((path) => path === "/status"));
});

Deno.test("AuthorizerHealth.isHealthy() takes no certificate that is not trusted, no flood and no silence for well", async () => {
  await using strange = await Scene.open((scene) => ({
    "reauth.authorizer_status_uri": scene.url("/status"),
  }));
  assert.equal(await strange.health.isHealthy(strange.url("/status")), false);
  assert.deepEqual(strange.paths, []);
  await using scene = await Scene.open();
  scene.answer = () => new Response(new Uint8Array(65_537));
  assert.equal(await scene.health.isHealthy(scene.url("/status")), false);
  const arrived = Promise.withResolvers<void>();
  const never = Promise.withResolvers<Response>();
  scene.answer = () => (arrived.resolve(), never.promise);
  const poll = scene.health.isHealthy(scene.url("/status"));
  await arrived.promise;
  scene.clock.advance(5_000);
  assert.equal(await poll, false);
  never.resolve(new Response());
});

Deno.test("AuthorizerHealth.isHealthy() asks no host that the operator has not named, and puts nothing off for it", async () => {
  await using scene = await Scene.open();
  for (
    const uri of [
      scene.url("/status", "127.0.0.1"),
      "http://localhost/status",
      "https://else.example/",
      "nonsense",
    ]
  ) {
    assert.equal(await scene.health.isHealthy(uri), true, uri);
  }
  assert.deepEqual(scene.paths, []);
  assert.deepEqual(scene.logged.map(({ host }) => host).slice(0, 1), ["127.0.0.1"]);
  await scene.health.isHealthy(scene.url("/status", "127.0.0.1"));
  assert.equal(scene.logged.filter(({ host }) => host === "127.0.0.1").length, 1, "told once");
  await using named = await Scene.open((each) => ({
    ...each.trusting,
    "reauth.authorizer_hosts": "127.0.0.1,LOCALHOST",
  }));
  assert.equal(
    await named.health.isHealthy(named.url("/status", "127.0.0.1")),
    false,
    "its certificate is for localhost",
  );
});

Deno.test("AuthorizerHealth.isHealthy() polls once for all who ask meanwhile", async () => {
  await using scene = await Scene.open();
  const url = scene.url("/status");
  assert.deepEqual(
    await Promise.all(Array.from({ length: 50 }, () => scene.health.isHealthy(url))),
    Array(50).fill(true),
  );
  assert.equal(scene.paths.length, 1);
  await scene.health.isHealthy(url);
  assert.equal(scene.paths.length, 2, "and anew for the next");
});

Deno.test("AuthorizerHealth.open() refuses a file that holds no certificates", async () => {
  await using folder = await TempDir.make("authorizer");
  await Deno.writeTextFile(folder.file("ca.pem"), "nothing\n");
  const config = edgeDefaults({
    "reauth.authorizer_status_uri": "https://localhost/",
    "reauth.authorizer_ca_file": folder.file("ca.pem"),
  });
  await assert.rejects(
    AuthorizerHealth.open(config, { clock: new VirtualClock(), log() {} }),
    (error) => (assert.equal(codeOf(error), "ca_certificates_invalid"), true),
  );
});
