/** The table of commands. Everything that users can type follows from it; code is imported when it runs. */
import { caCommand } from "./ca_command.ts";
import type { Command } from "./command.ts";
import {
  attestCommand,
  enrollCommand,
  enrollTokenCommand,
  machineCommand,
  machinesCommand,
  policyCommand,
} from "./machine_commands.ts";
import { adminCommand, auditCommand, tokenCommand } from "./operator_commands.ts";
import { configCommand, diagCommand, edgeCommand, statusCommand } from "./process_commands.ts";
import {
  agentCommand,
  httpCommand,
  shareCommand,
  tcpCommand,
  tlsCommand,
  udpCommand,
} from "./publish_commands.ts";
import {
  completionsCommand,
  explainCommand,
  hashPasswordCommand,
  helpCommand,
  versionCommand,
} from "./reference_commands.ts";
import { connectorCommand, nodesCommand, tunnelerCommand } from "./node_commands.ts";
import { connectCommand } from "./private_commands.ts";
import { upgradeCommand } from "./upgrade/command.ts";

export const commands: readonly Command[] = [
  httpCommand,
  tcpCommand,
  tlsCommand,
  udpCommand,
  shareCommand,
  agentCommand,
  connectCommand,
  connectorCommand,
  tunnelerCommand,
  edgeCommand,
  statusCommand,
  diagCommand,
  attestCommand,
  tokenCommand,
  enrollCommand,
  enrollTokenCommand,
  adminCommand,
  machinesCommand,
  machineCommand,
  nodesCommand,
  caCommand,
  policyCommand,
  auditCommand,
  upgradeCommand,
  configCommand,
  hashPasswordCommand,
  versionCommand,
  completionsCommand,
  explainCommand,
  helpCommand,
];
