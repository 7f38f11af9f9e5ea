import { isErrorCode, PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import { type ControlOpinion, controlOpinion } from "../attest/control.ts";
import { attestLines } from "../attest/render.ts";
import { attestReport, type QuoteReport } from "../attest/report.ts";
import type { Call } from "../command.ts";
import { exitCodeOf, failureJson, failureText } from "../failure.ts";
import { loadAgent } from "../load.ts";
import { terminalBeside } from "../tpm_terminal.ts";

/**
 * `postern attest --dry-run [--tpm …] [--json]`: exit code 0 when the quote holds and control, where it was asked and knows the
 * machine, has nothing against it. Throws `cli_flag_value_missing`, `tpm_not_set`, and what the TPM makes impossible.
 */
export async function runAttest(call: Call): Promise<number> {
  if (!call.switches.has("dry-run")) {
    throw new PosternError(
      "cli_flag_value_missing",
      "Cannot run postern attest: agents attest by themselves; --dry-run shows what they would say",
      { detail: { command: "attest" } },
    );
  }
  const { config } = await loadAgent(call);
  if (config.tpm === null) {
    throw new PosternError("tpm_not_set", "Cannot attest: the setting tpm names no TPM");
  }
  const terminal = terminalBeside(config.tpm, call.terminal);
  const json = call.switches.has("json");
  try {
    const report = await attestReport(config.tpm, config.tpmEk ?? undefined);
    const control = await controlOpinion(config, report);
    const failure = failureOf(report.quote, control);
    if (json) {
      terminal.out(`${JSON.stringify({ code: failure?.code ?? null, ...report, control })}\n`);
    } else {
      for (const line of attestLines(report, control.text)) terminal.out(`${escapeControls(line)}\n`);
      if (failure !== undefined) terminal.err(failureText(failure, false));
    }
    return failure === undefined ? 0 : exitCodeOf(failure);
  } catch (error) {
    // Elsewhere this would be written to standard output.
    if (config.tpm.kind !== "stdio" || !json) throw error;
    terminal.out(failureJson(error));
    return exitCodeOf(error);
  }
}

function failureOf(
  quote: QuoteReport,
  { enrolled, refusal, text }: ControlOpinion,
): PosternError | undefined {
  if (quote.verdict === "refused") {
    return new PosternError(isErrorCode(quote.code) ? quote.code : "internal_error", quote.message);
  }
  if (enrolled !== true || typeof refusal !== "string") return undefined;
  return new PosternError(
    isErrorCode(refusal) ? refusal : "internal_error",
    `Cannot attest here: control ${text}`,
  );
}
