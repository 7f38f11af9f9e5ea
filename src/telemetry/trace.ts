/**
 * Spans by OpenTelemetry, off unless configured. Export is the runtime's business (OTEL_DENO=true); without it the
 * API hands out spans that go nowhere.
 */
import { type Attributes, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { codeOf } from "../errors/mod.ts";

/** Attributes of a span: ids, counts and codes, never payload or secrets. */
export type TraceFields = Readonly<Record<string, string | number | boolean>>;

export interface Tracer {
  /** Runs the work inside a span; a failure marks the span with its code and is thrown on. */
  span<T>(name: string, fields: TraceFields, work: () => Promise<T>): Promise<T>;
}

/** Runs the work and nothing else. */
export const noTracer: Tracer = { span: (_name, _fields, work) => work() };

/** The tracer for this configuration; `source` stands in for the global provider in tests. */
export function createTracer(
  options: { readonly enabled: boolean; readonly version: string },
  source: SpanSource = { start: (version) => trace.getTracer("postern", version) },
): Tracer {
  if (!options.enabled) return noTracer;
  const tracer = source.start(options.version);
  return {
    span: (name, fields, work) =>
      tracer.startActiveSpan(name, { attributes: { ...fields } }, async (span) => {
        try {
          return await work();
        } catch (error) {
          // The code only: messages may hold text from a peer.
          span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) });
          throw error;
        } finally {
          span.end();
        }
      }),
  };
}

/** Where spans come from. */
export interface SpanSource {
  start(version: string): {
    startActiveSpan<T>(name: string, options: { attributes: Attributes }, work: (span: Span) => T): T;
  };
}
