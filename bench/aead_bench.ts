/** Sealing and opening one record: the core beside what could be used in its place. */
import { METRICS } from "./aead/metrics.ts";
import { benchGroups } from "./aead/groups.ts";

benchGroups(METRICS.filter(({ operation }) => operation !== "hash"));
