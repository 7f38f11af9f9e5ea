/** Public ports of udp services: one socket a port, open while a session publishes it and for the grace time after. */
import { DatagramBudget, type DatagramNetwork, type DatagramSocket, systemDatagrams } from "../driver/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { EdgeContext } from "./context.ts";
import { PublicPorts } from "./public_ports.ts";
import { UdpFlowTable } from "./udp_flow_table.ts";
import { UdpPort } from "./udp_port.ts";

export class UdpServices {
  readonly #context: EdgeContext;
  readonly #network: DatagramNetwork;
  readonly #table: UdpFlowTable;
  readonly #budget = new DatagramBudget();
  readonly #ports: PublicPorts<UdpPort>;

  constructor(context: EdgeContext, network: DatagramNetwork = systemDatagrams) {
    const { maxUdpFlows, maxUdpFlowsPerAddress } = context.config.limits;
    this.#context = context;
    this.#network = network;
    this.#table = new UdpFlowTable({ maxFlows: maxUdpFlows, maxFlowsPerAddress: maxUdpFlowsPerAddress });
    this.#ports = new PublicPorts("udp", context.sessions, (port) => this.#listen(port));
  }

  /** Flows that are open now. */
  get flows(): number {
    return this.#table.size;
  }

  /** Opens the ports that a session publishes. @throws PosternError `udp_port_unavailable` */
  open({ claims }: { readonly claims: { readonly udp_ports: readonly number[] } }): void {
    this.#ports.open(claims.udp_ports);
  }

  /** The session takes no new streams. */
  retire(session: AgentSession): void {
    if (session.isOnline) return; // it is asked to prove itself again, and goes on meanwhile
    for (const port of session.claims.udp_ports) this.#ports.at(port)?.retire(session);
  }

  /** Closes ports whose route is gone and that no session is about to serve. */
  closeUnused(): void {
    this.#ports.closeUnused();
  }

  /** Closes these ports, with their flows. */
  closePorts(ports: readonly number[]): void {
    this.#ports.closePorts(ports);
  }

  /** Ends all flows. */
  close(): void {
    this.#ports.close();
  }

  #listen(port: number): UdpPort {
    const context = this.#context;
    const socket = this.#bind(port);
    const opened = new UdpPort({ context, table: this.#table, budget: this.#budget, socket, port });
    opened.run();
    return opened;
  }

  #bind(port: number): DatagramSocket {
    try {
      return this.#network.bind({ hostname: this.#context.config.listen.host, port });
    } catch (cause) {
      throw new PosternError("udp_port_unavailable", `Cannot open udp port ${port}`, {
        cause,
        detail: { port },
      });
    }
  }
}
