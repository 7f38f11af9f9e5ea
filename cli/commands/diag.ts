import { ControlClient, proxyChooser } from "../../agent/mod.ts";
import { parseTarget, readSecretFile } from "../../src/config/mod.ts";
import { readAuthorities, systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { type Check, resultText, runChecks } from "../diag/check.ts";
import { runtimeCheck, simdCheck, stateDirectoryCheck, tokenFileCheck } from "../diag/machine.ts";
import { tpmChecks } from "../diag/tpm.ts";
import { controlChecks, type Target, targetChecks } from "../diag/network.ts";
import { exitCodeOf, failureText } from "../failure.ts";
import { loadAgent } from "../load.ts";
import { terminalBeside } from "../tpm_terminal.ts";

/** `postern diag [TARGET]`: exit code of `checks_failed` when a check fails. */
export async function runDiag(call: Call): Promise<number> {
  const { config } = await loadAgent(call);
  const [text] = call.arguments;
  const targets: readonly Target[] = text === undefined
    ? config.services.map((service) => ({ target: service.target, service }))
    : [{ target: parseTarget("http", text) }];
  const ca = config.caFile === null ? undefined : await readAuthorities(config.caFile);
  const proxyFor = await proxyChooser(config, noLog);
  const { control, tokenFile } = config;
  // Each address for itself: the others must not hide that one of them does not answer.
  const askers = control.map((url) =>
    new ControlClient({
      url,
      clock: systemClock,
      caCerts: ca === undefined ? undefined : [ca],
      proxyFor,
      token: tokenFile === null ? undefined : async () => (await readSecretFile(tokenFile, Deno)).secret,
    })
  );
  const checks: Check[] = [
    runtimeCheck(Deno.version.deno),
    simdCheck,
    stateDirectoryCheck(config.stateDirectory),
    tokenFileCheck(tokenFile, Deno),
    ...tpmChecks(config),
    ...askers.flatMap((asker) => controlChecks({ control: asker.url, ca, proxyFor, asker })),
    ...targetChecks(targets),
  ];
  const json = call.switches.has("json");
  const terminal = terminalBeside(config.tpm, call.terminal);
  const results = await runChecks(checks, (result) => json || terminal.out(resultText(result)));
  for (const asker of askers) asker.close();
  const failed = results.filter(({ result }) => result === "FAIL").length;
  const failure = failed === 0 ? undefined : new PosternError(
    "checks_failed",
    `Cannot vouch for this machine: ${failed} of ${results.length} checks failed`,
  );
  if (json) {
    terminal.out(`${JSON.stringify({ code: failure?.code ?? null, failed, checks: results })}\n`);
  } else if (failure !== undefined) call.terminal.err(failureText(failure, false));
  return failure === undefined ? 0 : exitCodeOf(failure);
}
