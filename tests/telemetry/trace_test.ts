import assert from "node:assert/strict";
import type { Span } from "@opentelemetry/api";
import { PosternError } from "../../src/errors/mod.ts";
import { createTracer, newRequestId, noTracer, type SpanSource } from "../../src/telemetry/mod.ts";

function recording(): { source: SpanSource; events: string[] } {
  const events: string[] = [];
  const span = {
    setStatus: (status: { message?: string }) => events.push(`status ${status.message}`),
    end: () => events.push("end"),
  } as unknown as Span;
  const source: SpanSource = {
    start: (version) => ({
      startActiveSpan: (name, options, work) => {
        events.push(`start ${version} ${name} ${JSON.stringify(options.attributes)}`);
        return work(span);
      },
    }),
  };
  return { source, events };
}

Deno.test("createTracer() is the no-op when off, and touches no provider", () => {
  const source = { start: () => assert.fail("touched") };
  assert.equal(createTracer({ enabled: false, version: "1" }, source), noTracer);
});

Deno.test("noTracer.span() runs the work", async () => {
  assert.equal(await noTracer.span("x", {}, () => Promise.resolve(7)), 7);
});

Deno.test("Tracer.span() ends its span, and marks failures with their code only", async () => {
  const { source, events } = recording();
  const tracer = createTracer({ enabled: true, version: "1" }, source);
  assert.equal(await tracer.span("good", { stream: 4 }, () => Promise.resolve("ok")), "ok");
  const failure = new PosternError("config_conflict", "peer text");
  await assert.rejects(tracer.span("bad", {}, () => Promise.reject(failure)), failure);
  assert.deepEqual(events, [
    'start 1 good {"stream":4}',
    "end",
    "start 1 bad {}",
    "status config_conflict",
    "end",
  ]);
});

Deno.test("createTracer() works over the real API without a provider", async () => {
  const tracer = createTracer({ enabled: true, version: "1" });
  assert.equal(await tracer.span("x", {}, () => Promise.resolve(1)), 1);
});

Deno.test("newRequestId() is 32 hex digits of fresh randomness", () => {
  const id = newRequestId((bytes) => new Uint8Array(bytes).fill(0xab));
  assert.equal(id, "ab".repeat(16));
});
