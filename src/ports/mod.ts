/** Interfaces between the cores and the world. */
export type { ByteStream, FramingResult, MessageFraming } from "./carrier.ts";
export type { Clock } from "./clock.ts";
export type { KeyHandle, SealingCore } from "./core.ts";
export type { Log, LogFields, LogLevel } from "./log.ts";
export type { Random } from "./random.ts";
