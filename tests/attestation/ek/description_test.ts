import assert from "node:assert/strict";
import { describeEk } from "../../../src/attestation/ek/mod.ts";
import { utf8 } from "../../../src/bytes/mod.ts";
import { authority, ekCertificate, ekExtensions, tpmNames } from "../../support/hostile_authority.ts";

const root = authority();

Deno.test("describeEk() says what a certificate says, and nothing of what is none", () => {
  const described = describeEk(ekCertificate(root, { serial: 0x0a1b }).der);
  assert.deepEqual([described?.vendor, described?.model, described?.serial], ["POST", "Hostile", "a1b"]);
  assert.equal(describeEk(root.der), undefined);
  assert.equal(describeEk(utf8("no certificate")), undefined);
});

Deno.test("describeEk() spells the manufacturer's id where it has letters", () => {
  const vendor = (manufacturer: string) => {
    const attributes = [["2.23.133.2.1", manufacturer], ["2.23.133.2.2", "m"], [
      "2.23.133.2.3",
      "v",
    ]] as const;
    const extensions = [...ekExtensions(["2.5.29.17"]), tpmNames(attributes)];
    return describeEk(ekCertificate(root, { extensions }).der)?.vendor;
  };
  assert.equal(vendor("id:494E5443"), "INTC");
  assert.equal(vendor("id:49465800"), "IFX");
  assert.equal(vendor("id:53544d20"), "STM");
  for (const manufacturer of ["id:00001014", "id:00000000", "id:4E", "Acme", "id:41094142"]) {
    assert.equal(vendor(manufacturer), undefined, manufacturer);
  }
});
