/** Plots of the last hour. */
import { formatBytes, formatMs } from "../format.ts";
import { Plot } from "../plot.tsx";
import { live, type View, type Visit } from "../visit.ts";

const perSecond = (value: number) => `${value >= 99.5 ? Math.round(value) : Number(value.toPrecision(2))}/s`;

export function traffic({ history, nowMs }: Visit): Promise<View> {
  const samples = history.samples;
  const common = { instants: samples.map(({ atMs }) => atMs), nowMs };
  return Promise.resolve({
    title: "Traffic",
    hint: "of this edge, in the last hour",
    parts: [live(
      "plots",
      <div class="columns">
        <Plot
          id="requests"
          title="Requests"
          {...common}
          format={perSecond}
          series={[
            { name: "Answered", values: samples.map((sample) => sample.requestsPerSecond) },
            { name: "of them 5xx", values: samples.map((sample) => sample.failuresPerSecond) },
          ]}
        />
        <Plot
          id="latency"
          title="Time to the response head"
          {...common}
          format={formatMs}
          series={[
            { name: "Median", values: samples.map((sample) => sample.medianMs) },
            { name: "95 of 100 below", values: samples.map((sample) => sample.p95Ms) },
          ]}
        />
        <Plot
          id="bytes"
          title="Payload"
          {...common}
          format={(value) => `${formatBytes(value)}/s`}
          series={[
            { name: "From viewers", values: samples.map((sample) => sample.bytesInPerSecond) },
            { name: "To viewers", values: samples.map((sample) => sample.bytesOutPerSecond) },
          ]}
        />
        <Plot
          id="channels"
          title="Channels and streams"
          {...common}
          format={(value) => String(Math.round(value * 10) / 10)}
          series={[
            { name: "Channels online", values: samples.map((sample) => sample.channels) },
            { name: "Open streams", values: samples.map((sample) => sample.streams) },
          ]}
        />
      </div>,
    )],
  });
}
