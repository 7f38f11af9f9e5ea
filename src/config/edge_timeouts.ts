/** What bounds the waits of an edge. */
import { duration } from "./values.ts";
import { setting } from "./setting.ts";
import { dayMs, hourMs } from "./units.ts";

/** Nobody holds a connection for free. */
export const edgeTimeoutSettings = {
  peekMs: setting(
    duration(100, 300_000),
    "15s",
    "First bytes of a new connection, a whole TLS ClientHello included.",
    "DURATION",
  ),
  tlsHandshakeMs: setting(duration(100, 300_000), "15s", "TLS handshake.", "DURATION"),
  requestHeadMs: setting(
    duration(100, 300_000),
    "15s",
    "Whole request head after its first byte.",
    "DURATION",
  ),
  idleKeepAliveMs: setting(
    duration(100, hourMs),
    "75s",
    "Idle viewer connection between two requests.",
    "DURATION",
  ),
  /** Ends with the answer's first byte: from then on body and answer may take turns. */
  requestBodyMs: setting(
    duration(100, hourMs),
    "60s",
    "Viewer that sends nothing of the body it announced.",
    "DURATION",
  ),
  originResponseMs: setting(duration(100, hourMs), "60s", "Response head from the service.", "DURATION"),
  /** What a slow reader holds is bounded, but it holds it only as long as it reads on. */
  viewerStallMs: setting(
    duration(1000, hourMs),
    "60s",
    "Viewer that takes nothing of its response.",
    "DURATION",
  ),
  /** A connection that is closed at once is reset, and takes the answer away from a viewer that is sending still. */
  lingerMs: setting(
    duration(100, 60_000),
    "1s",
    "Reading on for a viewer that is still sending when its answer is complete.",
    "DURATION",
  ),
  /** Long polls and upgraded connections send something at least this often, or are cut. */
  streamIdleMs: setting(duration(1000, dayMs), "1h", "Stream without bytes in either direction.", "DURATION"),
} as const;
