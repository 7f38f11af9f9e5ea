/** What the bench needs to know of a tunnel. One file a peer; add it to `mod.ts`. */
import type { Target } from "../load/connection.ts";
import type { HttpTarget } from "../load/requests.ts";

/** What is to be published, all on 127.0.0.1. */
export interface Origin {
  /** Port of the lab protocol. */
  readonly labPort: number;
  /** Port of the HTTP origin: a body of 1 KiB. */
  readonly httpPort: number;
}

/** A tunnel that stands. */
export interface Tunnel extends AsyncDisposable {
  /** The lab protocol through the tunnel, byte for byte. */
  readonly lab: Target;
  /** The HTTP origin as plain bytes. */
  readonly tcpHttp: HttpTarget;
  /** The HTTP origin routed by host name; absent where the peer cannot: `tcpHttp` is then compared. */
  readonly http?: HttpTarget;
  /** Its processes; none where nothing stands between client and origin. */
  readonly processes: { readonly edge?: number; readonly agent?: number };
}

export interface StartOptions {
  readonly origin: Origin;
  /** Compiled program of Postern to run instead of the sources. */
  readonly binary?: string;
  /** Further flags of `deno run` for Postern from the sources: profilers. */
  readonly denoFlags: readonly string[];
  /** Folder for the tunnel's files; removed afterwards. */
  readonly folder: string;
}

export interface Peer {
  /** As typed after `--peers`. */
  readonly name: string;
  /** Version and how bytes are protected, for the report; undefined when it is not installed. */
  describe(): Promise<string | undefined>;
  /** How to install it into `directory`; absent where it is part of the project or of the system. */
  install?(directory: string): Promise<void>;
  /** @throws Error when it does not stand in time; nothing is left running then */
  start(options: StartOptions): Promise<Tunnel>;
}
