/** docs/reference/frames.md: the frame table as the program checks it. */
import {
  FRAME_HEADER_BYTES,
  FRAME_TABLE,
  FrameFlag,
  type FrameRow,
  MAX_HANDSHAKE_BODY_BYTES,
  MAX_RECORD_BODY_BYTES,
  MAX_RECORD_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_TAG_BYTES,
  RESET_REASONS,
  STREAM_CLASSES,
} from "../../src/wire/mod.ts";
import { cell, table } from "./pages.ts";

export function framesPage(): [string, string] {
  const text = [
    "# Records and frames",
    "One carrier message is one record. The body of a transport record is a run of frames, sealed together.",
    table(["Limit", "Bytes"], [
      ["Record header", String(RECORD_HEADER_BYTES)],
      ["Record tag", String(RECORD_TAG_BYTES)],
      ["Longest record", String(MAX_RECORD_BYTES)],
      ["Longest run of frames in a record", String(MAX_RECORD_BODY_BYTES)],
      ["Longest Noise message", String(MAX_HANDSHAKE_BODY_BYTES)],
      ["Frame header", String(FRAME_HEADER_BYTES)],
    ]),
    "## Frames",
    "The header is type u8, flags u8, length u16, stream u32; all numbers are big-endian.",
    table(
      ["Type", "Name", "Stream", "Flags", "Payload bytes", "Payload"],
      FRAME_TABLE.map((
        row,
      ) => [hex(row.type), row.name, ON[row.on], flags(row.flags), range(row), cell(row.payload)]),
    ),
    "## Reset reasons",
    table(["Number", "Reason"], RESET_REASONS.map((reason, number) => [String(number), `\`${reason}\``])),
    "## Stream classes",
    "Strict classes go first; the others share in proportion to their weight. A droppable class keeps its latest " +
    "message only.",
    table(
      ["Number", "Class", "Strict", "Weight", "Droppable"],
      STREAM_CLASSES.map((row, number) => [
        String(number),
        `\`${row.name}\``,
        row.strict ? "yes" : "",
        row.strict ? "" : String(row.weight),
        row.droppable ? "yes" : "",
      ]),
    ),
    "",
  ].join("\n\n");
  return ["docs/reference/frames.md", text];
}

const ON: Readonly<Record<FrameRow["on"], string>> = { channel: "0", stream: "not 0", either: "any" };

function hex(type: number): string {
  return `0x${type.toString(16).padStart(2, "0")}`;
}

function flags(mask: number): string {
  return Object.entries(FrameFlag).filter(([, bit]) => mask & bit).map(([name, bit]) => `${name} ${hex(bit)}`)
    .join(", ");
}

function range({ minBytes, maxBytes }: FrameRow): string {
  return minBytes === maxBytes ? String(minBytes) : `${minBytes}-${maxBytes}`;
}
