/** The agent: publishes services of this machine through edges. */
export { type AgentDeps, type RunningAgent, startAgent } from "./agent.ts";
export { enroll } from "./enrollment.ts";
export { checkMachineFile, machineFileIn, writeMachineFile } from "./machine_file.ts";
export { proxyChooser } from "./egress.ts";
export { ControlClient } from "./control_client.ts";
export type { AuthoritiesAnswer } from "./authority_messages.ts";
export { type AuditAnswer, auditAnswer, type TokenAnswer } from "./control_messages.ts";
export type { MachineAnswer, MachineName } from "./machine_messages.ts";
export type { ApplyPolicyAnswer, LearnPolicyRequest, PoliciesAnswer } from "./policy_messages.ts";
export type { AgentState, AgentStatus, ServiceStatus } from "./status.ts";
export { openTpm, type Tpm, type TpmState } from "./tpm/mod.ts";
