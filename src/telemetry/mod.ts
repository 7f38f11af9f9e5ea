/** Logs, metrics, traces, request ids, and the listener for operators. */
export { type AdminListener, serveAdmin } from "./admin_listener.ts";
export { DatagramSeries, type FlowResult } from "./datagram_series.ts";
export { BoundedLabel, statusClass } from "./label.ts";
export { createLog, escapeControls, type LogOptions, maxFieldChars, maxFields, noLog } from "./log.ts";
export { createMetrics, maxServiceLabels, type Metrics, metricsHandler } from "./metrics.ts";
export { requestBuckets, ServiceSeries } from "./service_series.ts";
export { summedTotals, totalsOf, type TrafficTotals } from "./traffic.ts";
export { newRequestId, requestIds } from "./request_id.ts";
export { createTracer, noTracer, type SpanSource, type TraceFields, type Tracer } from "./trace.ts";
export { type MetricObject, metricObjects, summedPage } from "./metrics_sum.ts";
export type { TokenSeries } from "./token_series.ts";
