import assert from "node:assert/strict";
import { agentSchema, edgeSchema, parseConfigFile, resolve, settingsOf } from "../../src/config/mod.ts";
import { CATALOGUE } from "../../src/errors/mod.ts";
import { Process } from "../support/process.ts";
import { TempDir } from "../support/temp_dir.ts";

const packaging = new URL("../../packaging/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, packaging));
const units = ["edge", "agent", "connector", "tunneler"].map((role) => `systemd/postern-${role}.service`);
const roleOf = (unit: string) => /postern-(\w+)\./.exec(unit)![1];

/** Assignments of a unit file, all values of a key in order. */
function assignments(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z]+)=(.*)$/.exec(line);
    if (match) found.set(match[1], [...(found.get(match[1]) ?? []), match[2]]);
  }
  return found;
}

for (const name of units) {
  Deno.test(`${name}: runs as a user of its own, without rights it does not need`, () => {
    const unit = assignments(read(name));
    const expected = {
      DynamicUser: "yes",
      NoNewPrivileges: "yes",
      ProtectSystem: "strict",
      ProtectHome: "yes",
      PrivateTmp: "yes",
      PrivateDevices: "yes",
      RestrictNamespaces: "yes",
      StateDirectoryMode: "0700",
      CacheDirectoryMode: "0700",
      UMask: "0077",
    };
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(unit.get(key), [value], key);
    const capabilities = name.includes("edge") ? "CAP_NET_BIND_SERVICE" : "";
    assert.deepEqual(unit.get("CapabilityBoundingSet"), [capabilities]);
    assert.ok(unit.get("SystemCallFilter")?.includes("~@privileged"));
    assert.ok(!unit.has("MemoryDenyWriteExecute"), "the engine could not start");
  });

  Deno.test(`${name}: sets variables that exist, and none that holds a secret`, () => {
    const known = new Set(
      [edgeSchema, agentSchema].flatMap((schema) =>
        settingsOf(schema.settings).map((setting) => setting.environment)
      ),
    );
    const dropIn = read(`systemd/${name.includes("edge") ? "tls" : "tpm"}.conf`);
    for (
      const value of [
        ...assignments(read(name)).get("Environment") ?? [],
        ...assignments(dropIn).get("Environment") ?? [],
      ]
    ) {
      const [variable, content] = value.split("=");
      if (variable.startsWith("POSTERN_")) assert.ok(known.has(variable), variable);
      if (/TOKEN|KEY|SECRET|PASSWORD/.test(variable)) {
        assert.match(content, /^%d\//, "a path below the credentials");
      }
    }
    assert.deepEqual(assignments(read(name)).get("EnvironmentFile"), [
      `-/etc/postern/${roleOf(name)}.env`,
    ]);
  });

  Deno.test(`${name}: systemd accepts it`, async () => {
    await using folder = await TempDir.make();
    // The programs are not installed where the tests run.
    const text = read(name).replace(/^(ExecStart|ExecReload)=\S+/gm, "$1=/bin/true");
    const file = name.slice(name.lastIndexOf("/") + 1);
    const unit = await folder.write(file, text);
    if (!file.includes("edge")) await folder.write(`${file}.d/tpm.conf`, read("systemd/tpm.conf"));
    const { code, stdout, stderr } = await Process.run("systemd-analyze", {
      args: ["verify", "--man=no", unit],
    });
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stderr, /postern-/, "not even a warning");
  });
}

Deno.test("units: what a restart would not make right ends the service: exit codes of configuration and refusal", () => {
  const codes = (name: string) =>
    assignments(read(`systemd/postern-${name}.service`)).get("RestartPreventExitStatus");
  assert.deepEqual(codes("edge"), ["2"]);
  for (const role of ["agent", "connector", "tunneler"]) assert.deepEqual(codes(role), ["2 3 4"]);
  for (const code of ["ek_roots_unusable", "ek_revocations_unusable", "database_url_invalid"] as const) {
    assert.equal(CATALOGUE[code].exit, 2, code);
  }
  assert.equal(CATALOGUE.machine_revoked.exit, 4);
});

Deno.test("agent.service: control's token reaches the agent as a credential only", () => {
  const unit = assignments(read("systemd/postern-agent.service"));
  assert.deepEqual(unit.get("LoadCredential"), ["token:/etc/postern/agent.token"]);
  assert.ok(unit.get("Environment")?.includes("POSTERN_TOKEN_FILE=%d/token"));
});

for (const role of ["connector", "tunneler"]) {
  Deno.test(`${role}.service: the one-time token is a credential, and may be gone after the first start`, () => {
    const unit = assignments(read(`systemd/postern-${role}.service`));
    assert.deepEqual(unit.get("ExecStart"), [
      `/usr/local/bin/postern ${role} --config /etc/postern/${role}.yaml`,
    ]);
    assert.deepEqual(unit.get("LoadCredential"), [`enrollment:/etc/postern/${role}.token`]);
    assert.deepEqual(unit.get("SetCredential"), ["enrollment:none"]);
    assert.ok(unit.get("Environment")?.includes("POSTERN_NODE_ENROLLMENT_TOKEN_FILE=%d/enrollment"));
    assert.ok(!unit.has("AssertPathExists"));
  });
}

Deno.test("tpm.conf: the agent gets at the TPM by a path that it may open, and at no other device", () => {
  const unit = assignments(read("systemd/tpm.conf"));
  const [, path] = unit.get("BindPaths")![0].split(":");
  assert.ok(!path.startsWith("/dev/"), "the runtime would refuse it");
  assert.deepEqual(unit.get("Environment"), [`POSTERN_TPM=${path}`]);
  assert.deepEqual(unit.get("DeviceAllow"), ["/dev/tpmrm0 rw"]);
  assert.deepEqual(unit.get("DevicePolicy"), ["closed"]);
});

Deno.test("packaging/etc: the first configuration files are valid", () => {
  resolve(edgeSchema, { file: parseConfigFile(read("etc/edge.yaml"), "edge.yaml") });
  const agent = resolve(agentSchema, { file: parseConfigFile(read("etc/agent.yaml"), "agent.yaml") });
  assert.equal(agent.config.services.length, 1);
  for (const role of ["connector", "tunneler"]) {
    const { config: { node } } = resolve(agentSchema, {
      file: parseConfigFile(read(`etc/${role}.yaml`), `${role}.yaml`),
    });
    assert.equal(node.control.length, 1);
    assert.equal(node.connector.length, role === "tunneler" ? 1 : 0);
  }
});

Deno.test("packaging: nothing in here looks like a secret", () => {
  for (
    const name of [
      ...units,
      "systemd/tls.conf",
      "systemd/tpm.conf",
      "etc/edge.yaml",
      "etc/agent.yaml",
      "etc/connector.yaml",
      "etc/tunneler.yaml",
      "Dockerfile",
      "install.sh",
    ]
  ) {
    assert.doesNotMatch(read(name), /-----BEGIN|eyJ[\w-]{8}|[A-Za-z0-9+/]{40,}={0,2}(?![\w/.-])/, name);
  }
});

Deno.test("Dockerfile: the image runs as an unprivileged user and takes signals itself", () => {
  const text = read("Dockerfile");
  assert.match(text, /^USER 65532:65532$/m);
  assert.match(text, /^ENTRYPOINT \["\/usr\/local\/bin\/postern"\]$/m);
  assert.match(read("Dockerfile.dockerignore"), /^\*\*\n/, "only what is named gets into the build");
});

Deno.test("postern-upgrade@: systemd accepts service, timer and the drop-in that clears up, for edge and agent", async () => {
  await using folder = await TempDir.make();
  for (const role of ["agent", "edge"]) {
    for (const kind of ["service", "timer"]) {
      const text = read(`systemd/postern-upgrade@.${kind}`).replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
      await folder.write(`postern-upgrade@.${kind}`, text);
    }
    const unit = await folder.write(
      `postern-${role}.service`,
      read(`systemd/postern-${role}.service`).replace(/^(ExecStart|ExecReload)=\S+/gm, "$1=/bin/true"),
    );
    await folder.write(
      `postern-${role}.service.d/recover.conf`,
      read("systemd/recover.conf").replace("/usr/local/bin/postern.previous", "/bin/true"),
    );
    const { code, stdout, stderr } = await Process.run("systemd-analyze", {
      args: ["verify", "--man=no", folder.file(`postern-upgrade@${role}.timer`), unit],
    });
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stderr, /postern-/, "not even a warning");
  }
  const [variable] = assignments(read("systemd/postern-upgrade@.service")).get("Environment")!;
  assert.equal(variable, '"POSTERN_UPGRADE_RESTART=systemctl restart postern-%i"');
});
