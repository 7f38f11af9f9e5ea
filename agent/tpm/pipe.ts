/** The ways to a TPM: sockets, a device of the kernel, and that device as this process's standard input and output. */
import { concat } from "../../src/bytes/mod.ts";
import { formatTpmAddress, type TpmAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";

const LINE_FEED = 0x0a;

/** Something that takes commands and gives responses. */
export interface TpmPipe {
  /** Whether a response may come in pieces. Of a device one read gives one whole response. */
  readonly isStream: boolean;
  /** As `Deno.Reader`: bytes read, or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Bytes taken. */
  write(from: Uint8Array): Promise<number>;
  close(): void;
}

/** Opens a pipe; what it throws is told as `tpm_unavailable`, unless it is a {@link PosternError}. */
export type OpenPipe = (address: TpmAddress) => Promise<TpmPipe>;

/** Pipes of this machine. Each of them needs its own: standard input and output can be taken once only. */
export function systemPipes(): OpenPipe {
  let isTaken = false;
  return async (address) => {
    switch (address.kind) {
      case "unix":
        return streamPipe(await Deno.connect({ transport: "unix", path: address.path }));
      case "tcp": {
        const socket = await Deno.connect({ hostname: address.host, port: address.port });
        socket.setNoDelay(true);
        return streamPipe(socket);
      }
      case "device":
        return devicePipe(await openDevice(address.path));
      case "stdio":
        if (isTaken) {
          throw new PosternError(
            "tpm_stdio_lost",
            "Cannot use the TPM again: the device on standard input and output was given up after a failure",
          );
        }
        isTaken = true;
        return standardPipe();
    }
  };
}

function streamPipe(socket: Deno.Conn): TpmPipe {
  return {
    isStream: true,
    read: (into) => socket.read(into),
    write: (from) => socket.write(from),
    close: () => socket.close(),
  };
}

function devicePipe(file: Deno.FsFile): TpmPipe {
  return {
    isStream: false,
    read: (into) => file.read(into),
    write: (from) => file.write(from),
    close: () => file.close(),
  };
}

async function openDevice(path: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path, { read: true, write: true });
    // A command that is written to a file of another kind destroys what it holds.
    if ((await file.stat()).isCharDevice === true) return file;
    file.close();
    throw new PosternError(
      "tpm_unavailable",
      `Cannot reach the TPM at ${path}: it is a file, and no device`,
      {
        detail: { tpm: path },
      },
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    // Deno lets no program open what is below /dev unless everything is allowed to it.
    throw new PosternError(
      "tpm_device_forbidden",
      `Cannot open the TPM at ${path}: this program may open no file below /dev`,
      { cause: error, detail: { path } },
    );
  }
}

/**
 * Nothing else may be written to standard output from now on. The runtime passes on what is written there up to the last
 * line feed at once, and the rest by itself: two halves of a command. So a command that has a line feed within gets one more
 * at its end. Linux takes the length of a command from its header and ignores what follows (tpm_common_write).
 */
function standardPipe(): TpmPipe {
  return {
    isStream: false,
    read: (into) => Deno.stdin.read(into),
    async write(command) {
      const isSplit = command.includes(LINE_FEED) && command[command.length - 1] !== LINE_FEED;
      const taken = await Deno.stdout.write(isSplit ? concat(command, Uint8Array.of(LINE_FEED)) : command);
      return Math.min(taken, command.length);
    },
    close: () => {
      Deno.stdin.close();
      Deno.stdout.close();
    },
  };
}

/** The error of an attempt to open, in our words. */
export function openError(error: unknown, address: TpmAddress): PosternError {
  if (error instanceof PosternError) return error;
  const at = formatTpmAddress(address);
  return new PosternError("tpm_unavailable", `Cannot reach the TPM at ${at}: ${stateOf(error)}`, {
    cause: error,
    detail: { tpm: at },
  });
}

function stateOf(error: unknown): string {
  const { errors } = Deno;
  if (error instanceof errors.NotFound) return "there is none";
  if (error instanceof errors.ConnectionRefused) return "connection refused";
  if (error instanceof errors.PermissionDenied) return "this user may not open it";
  if (error instanceof Error && /os error 6\b/.test(error.message)) {
    return "it is a socket, which is named as unix:PATH, or a device that is not there";
  }
  // EBUSY of a device, EAGAIN of a unix socket where others wait already.
  if (error instanceof errors.Busy || (error instanceof Error && /os error (11|16)\b/.test(error.message))) {
    return "another program has it";
  }
  return error instanceof Error ? error.message : "unknown error";
}
