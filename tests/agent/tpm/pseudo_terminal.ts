/** A character device that answers: the far end of a pseudo terminal, which passes bytes on as they are. */
import { requireBinary } from "../../support/process.ts";

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const SIGHUP = 1;
const SIG_IGN = 1n;
const MAX_MESSAGE_BYTES = 4_096;
const MAX_PATH_BYTES = 64;

function openLibc() {
  return Deno.dlopen("libc.so.6", {
    posix_openpt: { parameters: ["i32"], result: "i32" },
    grantpt: { parameters: ["i32"], result: "i32" },
    unlockpt: { parameters: ["i32"], result: "i32" },
    ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
    read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
    signal: { parameters: ["i32", "usize"], result: "usize" },
  });
}

export class PseudoTerminal implements AsyncDisposable {
  /** What to open. */
  readonly path: string;
  /** Answers one command. */
  answer: (command: Uint8Array) => Promise<Uint8Array>;
  readonly #libc: ReturnType<typeof openLibc>;
  readonly #fd: number;
  /** Keeps the far end open: without anybody there reading would fail. */
  readonly #far: Deno.FsFile;
  readonly #serving: Promise<void>;
  readonly #onHangup: bigint;
  #isOver = false;

  private constructor(
    libc: ReturnType<typeof openLibc>,
    fd: number,
    path: string,
    answer: PseudoTerminal["answer"],
  ) {
    this.#libc = libc;
    this.#fd = fd;
    this.path = path;
    this.answer = answer;
    // A leader of a session, as the test runner's child is, gets what it opens as its terminal, and SIGHUP when that goes.
    this.#onHangup = libc.symbols.signal(SIGHUP, SIG_IGN);
    this.#far = Deno.openSync(path, { read: true, write: true });
    this.#serving = this.#serve();
  }

  static async open(answer: PseudoTerminal["answer"]): Promise<PseudoTerminal> {
    const libc = openLibc();
    const { posix_openpt, grantpt, unlockpt, ptsname_r } = libc.symbols;
    const fd = posix_openpt(O_RDWR | O_NOCTTY);
    const name = new Uint8Array(MAX_PATH_BYTES);
    if (fd < 0 || grantpt(fd) !== 0 || unlockpt(fd) !== 0 || ptsname_r(fd, name, BigInt(name.length)) !== 0) {
      throw new Error("Cannot open a pseudo terminal");
    }
    const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
    const { success } = await new Deno.Command(requireBinary("stty"), { args: ["-F", path, "raw", "-echo"] })
      .output();
    if (!success) throw new Error(`Cannot make ${path} pass bytes on as they are`);
    return new PseudoTerminal(libc, fd, path, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    // Ends the read that waits.
    this.#far.writeSync(Uint8Array.of(0));
    await this.#serving;
    this.#far.close();
    this.#libc.symbols.close(this.#fd);
    this.#libc.symbols.signal(SIGHUP, this.#onHangup);
    this.#libc.close();
  }

  async #serve(): Promise<void> {
    const { read, write } = this.#libc.symbols;
    const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
    while (!this.#isOver) {
      const count = Number(await read(this.#fd, buffer, BigInt(buffer.length)));
      if (count <= 0 || this.#isOver) return;
      const answer = new Uint8Array(await this.answer(buffer.slice(0, count)));
      write(this.#fd, answer, BigInt(answer.length));
    }
  }
}
