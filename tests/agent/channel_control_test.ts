import assert from "node:assert/strict";
import { ChannelControl } from "../../agent/node/channel_control.ts";

Deno.test("ChannelControl says node_channel_absent without a channel, so that the control API is asked", async () => {
  const control = new ChannelControl(() => undefined, () => assert.fail());
  const request = { certificate: "", nonce: "", csr: "", proof: "", trust_bundle_version: 1 };
  const asked = [
    control.renewalNonce(),
    control.renewIdentity(request),
    control.enrollIdentity(),
    control.trustBundles(),
    control.nodeRevocations(),
  ];
  for (const one of asked) await assert.rejects(one, { code: "node_channel_absent", retryable: true });
});
