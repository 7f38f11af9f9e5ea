import assert from "node:assert/strict";
import { systemClock } from "../../src/driver/mod.ts";
import type { CreateRequest } from "../../agent/control_messages.ts";
import { Registration } from "../../agent/registration.ts";
import { TunnelStore } from "../../agent/tunnel_store.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { TempDir } from "../support/temp_dir.ts";

const never = new AbortController().signal;

/** A registration whose recreate token is stored, at a control that answers with `refusals` first. */
async function askWith(hasToken: boolean, refusals: (ErrorCode | undefined)[]) {
  await using folder = await TempDir.make("registration");
  const store = await TunnelStore.open(folder.file("tunnels.json"), noLog, systemClock);
  await store.set("key", { tunnel_id: "tun_1", name: "web", recreate_token: "stored" });
  const asked: [token: string | undefined, alone: boolean][] = [];
  const registration = new Registration({
    control: {
      hasToken,
      create(request: CreateRequest, _signal: AbortSignal, alone = false) {
        asked.push([request.recreate_token, alone]);
        const code = refusals.shift();
        if (code !== undefined) return Promise.reject(new PosternError(code));
        return Promise.resolve({
          tunnel_id: "tun_1",
          public_hostname: "web.localhost",
          candidates: [],
          ephemeral_token: "stage-0-token",
          recreate_token: "fresh",
        });
      },
    },
    store,
    service: agentDefaults({}, [{ name: "web", target: "127.0.0.1:1", protocol: "http" }]).services[0],
    key: "key",
    log: noLog,
  });
  const outcome = await registration.renew(never).then(() => "renewed", (error: PosternError) => error.code);
  return { outcome, asked, stored: store.get("key")?.recreate_token };
}

Deno.test("Registration takes the name up again by the recreate token when the management token has expired", async () => {
  assert.deepEqual(await askWith(true, ["token_expired"]), {
    outcome: "renewed",
    asked: [["stored", false], ["stored", true]],
    stored: "fresh",
  });
});

Deno.test("Registration forgets the recreate token only when that is what is refused", async () => {
  assert.deepEqual(await askWith(true, ["token_expired", "token_expired", "token_expired"]), {
    outcome: "token_expired",
    asked: [["stored", false], ["stored", true], [undefined, false]],
    stored: undefined,
  });
  assert.deepEqual(await askWith(true, ["token_expired", "control_unreachable"]), {
    outcome: "control_unreachable",
    asked: [["stored", false], ["stored", true]],
    stored: "stored",
  });
  assert.deepEqual(await askWith(false, ["token_expired"]), {
    outcome: "renewed",
    asked: [["stored", false], [undefined, false]],
    stored: "fresh",
  });
});

Deno.test("Registration does not go around a management token that was revoked", async () => {
  assert.deepEqual(await askWith(true, ["token_revoked"]), {
    outcome: "renewed",
    asked: [["stored", false], [undefined, false]],
    stored: "fresh",
  }, "only the recreate token was");
  assert.deepEqual(await askWith(true, ["token_revoked", "token_revoked"]), {
    outcome: "token_revoked",
    asked: [["stored", false], [undefined, false]],
    stored: "stored",
  });
});

/** A registration of a service with a rule, at a control that confirms this revision. */
async function registerRules(revision: number | undefined) {
  await using folder = await TempDir.make("registration");
  const store = await TunnelStore.open(folder.file("tunnels.json"), noLog, systemClock);
  const asked: CreateRequest["rules"][] = [];
  const [service] = agentDefaults({}, [{ target: "127.0.0.1:1", "rules.deny": "10.0.0.1" }]).services;
  const registration = new Registration({
    control: {
      hasToken: false,
      create(request: CreateRequest) {
        asked.push(request.rules);
        return Promise.resolve({
          tunnel_id: "tun_1",
          public_hostname: "web.localhost",
          candidates: [],
          ephemeral_token: "stage-0-token",
          rules_revision: revision,
        });
      },
    },
    store,
    service,
    key: "key",
    log: noLog,
  });
  const outcome = await registration.renew(never).then(() => "renewed", (error: PosternError) => error.code);
  await registration.renewToken(never);
  return { outcome, asked };
}

Deno.test("Registration tells its rules when it registers, and leaves them alone when it renews its token", async () => {
  assert.deepEqual(await registerRules(1), {
    outcome: "renewed",
    asked: [{ deny: ["10.0.0.1"] }, undefined],
  });
});

Deno.test("Registration does not publish a service whose rules control does not confirm: rules_unsupported", async () => {
  assert.equal((await registerRules(undefined)).outcome, "rules_unsupported");
});
