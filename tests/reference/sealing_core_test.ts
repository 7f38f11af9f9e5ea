import { sealingCoreContract } from "../contract/sealing_core.ts";
import { referenceCore } from "./sealing_core.ts";

sealingCoreContract("referenceCore()", (options) => referenceCore(options));
