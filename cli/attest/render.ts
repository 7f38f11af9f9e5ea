/** The report of `postern attest --dry-run` for people. */
import type { AttestReport, QuoteReport } from "./report.ts";

/** A PCR that nothing was extended into. */
const untouched = /^(0+|f+)$/;

/** Lines without breaks; texts of the TPM and its maker are in them as they are. */
export function attestLines(report: AttestReport, control: string): string[] {
  const { ek, pcrs } = report;
  const { certificate } = ek;
  const maker = [report.manufacturer, report.model].filter((text) => text !== "").join(" ");
  const about = [certificate.manufacturer, certificate.model, certificate.version].filter((text) =>
    text !== null
  );
  return [
    row("agent id", report.agent_id),
    row("TPM", `${report.tpm} (${maker}, firmware ${report.firmware_version})`),
    row("EK", `${ek.template}, SHA-256 ${ek.sha256}`),
    row("EK certificate", certificate.subject || "(no subject)"),
    row(
      "",
      `issued by ${certificate.issuer}${ek.issuers === 0 ? "" : `, with ${ek.issuers} more in the TPM`}`,
    ),
    row("", `serial ${certificate.serial}, ${certificate.not_before} to ${certificate.not_after}`),
    row("", about.length === 0 ? "does not say which TPM it is for" : `for ${about.join(" ")}`),
    row("AK", `name ${report.ak.name}`),
    row(
      "banks",
      Object.entries(report.banks).map(([bank, list]) => `${bank} (${list.length} PCRs)`).join(", "),
    ),
    `PCRs of bank ${pcrs.bank}`,
    ...Object.entries(pcrs.values).map(([pcr, value]) =>
      `  ${pcr.padStart(2)}  ${value}${untouched.test(value) ? "  untouched" : ""}`
    ),
    row("quote", quoteText(report.quote)),
    row("control", control),
  ];
}

function row(name: string, text: string): string {
  return `${name.padEnd(16)}${text}`;
}

function quoteText(quote: QuoteReport): string {
  if (quote.verdict === "refused") return `refused: ${quote.code}: ${quote.message}`;
  const { reset_count, restart_count, clock_ms, safe } = quote;
  return `holds (${reset_count} resets, ${restart_count} restarts, clock ${clock_ms} ms${
    safe ? "" : ", not yet safe"
  })`;
}
