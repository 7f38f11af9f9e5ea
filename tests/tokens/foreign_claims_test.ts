import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import {
  claimOfRoutes,
  type ForeignRoutes,
  isForeignSubject,
  withForeignSubject,
} from "../../src/tokens/foreign_claims.ts";
import { nowMs, refusedWith } from "../identity/support.ts";
import { foreignClaims } from "./support.ts";

const own = {
  publicDomain: "tunnel.example",
  tcpPorts: { first: 20_000, last: 20_009 },
  udpPorts: null,
};
const routes: ForeignRoutes = {
  sub: "x-a:b",
  hostnames: ["shop.tunnel.example"],
  tls_hostnames: ["*.mail.tunnel.example", "shop.tunnel.example"],
  tcp_ports: [20_000, 20_009],
  udp_ports: [],
};

Deno.test("withForeignSubject() makes one subject of issuer and sub, which no tunnel and no other issuer has", async () => {
  const one = await withForeignSubject(foreignClaims);
  const two = await withForeignSubject({ ...foreignClaims, iss: "https://auth.third.example" });
  assert.match(one.sub, /^x-[A-Za-z0-9_-]{12}:tun_1$/);
  assert.notEqual(one.sub, two.sub);
  assert.ok(isForeignSubject(one.sub) && !isForeignSubject("tun_1"));
  assert.equal((await withForeignSubject(foreignClaims)).sub, one.sub);
  const { attestation_id } = await withForeignSubject({ ...foreignClaims, attestation_id: "attestation-1" });
  assert.equal(attestation_id, one.sub.replace(/tun_1$/, "attestation-1"));
  await withForeignSubject({ ...foreignClaims, sub: "s".repeat(113) });
  await refusedWith("token_claims_invalid", withForeignSubject({ ...foreignClaims, sub: "s".repeat(114) }));
});

Deno.test("claimOfRoutes() reads names of this edge's own domain, with the other of each pair", () => {
  const claim = claimOfRoutes(routes, own, nowMs);
  assert.deepEqual(claim.names, ["shop", "*.mail"]);
  assert.deepEqual(claim.pairedNames, ["*.shop", "mail"]);
  assert.deepEqual([claim.subject, claim.tcpPorts, claim.udpPorts], ["x-a:b", [20_000, 20_009], []]);
  assert.equal(claim.nowMs - claim.forgetBeforeMs, 30 * 86_400_000);
});

Deno.test("claimOfRoutes() refuses routes that are not this edge's: token_hostname_foreign, token_port_foreign", () => {
  const cases: [Partial<ForeignRoutes>, string][] = [
    [{ hostnames: ["shop.other.example"] }, "token_hostname_foreign"],
    [{ hostnames: ["shoptunnel.example"] }, "token_hostname_foreign"],
    [{ hostnames: ["tunnel.example"] }, "token_hostname_foreign"],
    [{ hostnames: ["*.tunnel.example"] }, "token_hostname_foreign"],
    [{ hostnames: ["a.b.tunnel.example"] }, "token_hostname_foreign"],
    [{ hostnames: ["control.tunnel.example"] }, "token_hostname_foreign"],
    [{ tls_hostnames: ["tunnel.example.org"] }, "token_hostname_foreign"],
    [{ tcp_ports: [19_999] }, "token_port_foreign"],
    [{ tcp_ports: [20_010] }, "token_port_foreign"],
    [{ udp_ports: [20_000] }, "token_port_foreign"],
  ];
  for (const [change, code] of cases) {
    assert.throws(
      () => claimOfRoutes({ ...routes, ...change }, own, nowMs),
      (error) => (assert.equal(codeOf(error), code, JSON.stringify(change)), true),
    );
  }
});
