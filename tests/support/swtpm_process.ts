/** The program swtpm over a folder of state. */
import { Process } from "./process.ts";

export interface SwtpmPlaces {
  /** Folder of its state. */
  readonly state: string;
  /** TCP port of 127.0.0.1, or path of a unix socket. */
  readonly device: number | string;
  /** Path of its control channel: tpm2-tools look for it beside the socket that they are given, plus `.ctrl`. */
  readonly control: string;
}

/** Starts it powered on (TPM2_Startup(CLEAR) done) and waits until it listens. */
export async function startSwtpm(places: SwtpmPlaces): Promise<Process> {
  const { state, device, control } = places;
  const server = typeof device === "number"
    ? `type=tcp,port=${device},bindaddr=127.0.0.1`
    : `type=unixio,path=${device},mode=0600`;
  if (typeof device === "string") await Deno.remove(device).catch(() => {});
  await Deno.remove(control).catch(() => {});
  const process = Process.start("swtpm", {
    args: [
      ...["socket", "--tpm2", "--tpmstate", `dir=${state}`, "--server", server],
      ...["--ctrl", `type=unixio,path=${control},mode=0600`],
      ...["--flags", "not-need-init,startup-clear", "--seccomp", "action=none"],
    ],
  });
  try {
    await process.waitUntil(async () => {
      try {
        (await connectSwtpm(device)).close();
        return true;
      } catch {
        return false;
      }
    });
    return process;
  } catch (error) {
    await process.stop("SIGKILL");
    throw error;
  }
}

export function connectSwtpm(device: number | string): Promise<Deno.Conn> {
  return typeof device === "number"
    ? Deno.connect({ hostname: "127.0.0.1", port: device })
    : Deno.connect({ transport: "unix", path: device });
}
