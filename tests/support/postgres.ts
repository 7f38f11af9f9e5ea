/** A real PostgreSQL server of its own for one test file. */
import { accepts, freePort } from "./ports.ts";
import { Process, requireBinary } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

/** Run as root the server takes this user: PostgreSQL refuses to run as root. Debian always has it. */
const unprivilegedUser = "nobody";
const superuser = "postern";
const initTimeoutMs = 60_000;
const maxLaunches = 20;

/** Ends with its scope: `await using database = await Postgres.start()`. Trusts every local connection. */
export class Postgres implements AsyncDisposable {
  readonly port: number;
  /** Folder of the unix socket `.s.PGSQL.<port>`. */
  readonly socketFolder: string;
  readonly #launch: () => Promise<Process>;
  readonly #folder: TempDir;
  #process: Process;

  private constructor(port: number, process: Process, launch: () => Promise<Process>, folder: TempDir) {
    this.port = port;
    this.socketFolder = folder.path;
    this.#process = process;
    this.#launch = launch;
    this.#folder = folder;
  }

  /** A file with this URL, as `database_url_file` wants it. */
  static async urlFile(folder: TempDir, url: string): Promise<string> {
    const path = await folder.write("database.url", `${url}\n`);
    await Deno.chmod(path, 0o600);
    return path;
  }

  get process(): Process {
    return this.#process;
  }

  /** @param settings lines of postgresql.conf, e.g. `{ max_connections: "20" }`. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
    const folder = await TempDir.make("postgres");
    try {
      const owner = Deno.uid() === 0 ? await idsOf(unprivilegedUser) : undefined;
      if (owner) await Deno.chown(folder.path, owner.uid, owner.gid);
      const data = folder.file("data");
      const init = await Process.run("initdb", {
        ...owner,
        cwd: folder.path,
        args: ["-D", data, "-U", superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
        timeoutMs: initTimeoutMs,
      });
      if (init.code !== 0) throw new Error(`Cannot make a database cluster: ${init.stderr}${init.stdout}`);
      const port = freePort();
      // A test database may lose its data: it is made anew each time.
      const all = {
        listen_addresses: "127.0.0.1",
        fsync: "off",
        unix_socket_directories: folder.path,
        ...settings,
      };
      const launch = async () => {
        const process = Process.start(requireBinary("postgres"), {
          ...owner,
          cwd: folder.path,
          args: [
            "-D",
            data,
            "-p",
            `${port}`,
            ...Object.entries(all).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
          ],
        });
        try {
          await process.waitFor(/ready to accept connections/);
          await process.waitUntil(() => accepts(port));
          return process;
        } catch (error) {
          await process.stop("SIGQUIT");
          throw error;
        }
      };
      return new Postgres(port, await launch(), launch, folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `postgresql://postern@127.0.0.1:<port>/postgres` */
  get url(): string {
    return `postgresql://${superuser}@127.0.0.1:${this.port}/postgres`;
  }

  /** Runs SQL with psql and returns its unaligned rows; throws with psql's message. */
  async psql(sql: string): Promise<string> {
    const args = ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-d", this.url];
    const { code, stdout, stderr } = await Process.run("psql", { args, stdin: sql });
    if (code !== 0) throw new Error(`Cannot run SQL: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Stops the server by this signal, and starts it again on the same port. */
  async restart(signal: Deno.Signal, whileDown: () => Promise<void>): Promise<void> {
    await this.#process.stop(signal);
    await whileDown();
    for (let attempt = 1;; attempt++) {
      try {
        this.#process = await this.#launch();
        return;
      } catch (error) {
        // Processes of a server that was killed take a moment to notice, and hold its memory until then.
        if (attempt === maxLaunches) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Immediate shutdown: nothing in here is worth a checkpoint.
    await this.process.stop("SIGQUIT");
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const passwd = await Deno.readTextFile("/etc/passwd");
  const row = passwd.split("\n").map((line) => line.split(":")).find(([name]) => name === user);
  if (!row) throw new Error(`Cannot start PostgreSQL as root: there is no user ${user}`);
  return { uid: Number(row[2]), gid: Number(row[3]) };
}
