import { loadCore } from "../../wasm/mod.ts";
import { sealingCoreContract } from "../contract/sealing_core.ts";

sealingCoreContract("loadCore() relaxed", (options) => loadCore({ ...options, build: "relaxed" }));
sealingCoreContract("loadCore() plain", (options) => loadCore({ ...options, build: "plain" }));
