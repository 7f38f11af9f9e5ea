/**
 * The eleven stream classes. Authorization is per class; so is scheduling:
 * `strict` classes go first, the others share by deficit round robin in proportion to `weight`.
 */
export interface StreamClassRow {
  readonly name: string;
  readonly strict: boolean;
  /** Share among the classes that are not strict. */
  readonly weight: number;
  /** Only the latest message matters; older unsent ones may be dropped. */
  readonly droppable: boolean;
}

/** Indexed by the class number on the wire. */
export const STREAM_CLASSES = [
  { name: "fabric_control", strict: true, weight: 1, droppable: false },
  { name: "route_control", strict: false, weight: 8, droppable: false },
  { name: "health", strict: false, weight: 8, droppable: false },
  { name: "telemetry", strict: false, weight: 2, droppable: false },
  { name: "render", strict: false, weight: 8, droppable: true },
  { name: "input", strict: true, weight: 1, droppable: false },
  { name: "clipboard", strict: false, weight: 4, droppable: false },
  { name: "file_transfer", strict: false, weight: 4, droppable: false },
  { name: "storage_fetch", strict: false, weight: 4, droppable: false },
  { name: "update_fetch", strict: false, weight: 1, droppable: false },
  { name: "vpn_packet", strict: false, weight: 2, droppable: false },
] as const satisfies readonly StreamClassRow[];

export type StreamClassName = typeof STREAM_CLASSES[number]["name"];

/** The class number of a name. */
export function streamClass(name: StreamClassName): number {
  return STREAM_CLASSES.findIndex((row) => row.name === name);
}
