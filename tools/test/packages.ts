/** Debian packages whose programs the tests drive as real counterparts. */
import { print } from "../print.ts";

/** One program and the Debian package that holds it. */
export interface PackageRow {
  readonly binary: string;
  readonly package: string;
  readonly why: string;
}

/** Add a row when a test starts another program; `tests/support/` finds programs the same way. */
export const PACKAGES: readonly PackageRow[] = [
  { binary: "curl", package: "curl", why: "a second HTTP and TLS client as viewer" },
  { binary: "openssl", package: "openssl", why: "certificates and keys not made by our own code" },
  {
    binary: "git",
    package: "git",
    why: "checks that generated files are committed; client and server of a published tcp service",
  },
  {
    binary: "nginx",
    package: "nginx-light",
    why: "a real origin behind an agent, a real proxy before an edge",
  },
  { binary: "h2load", package: "nghttp2-client", why: "a viewer that opens many requests at once" },
  { binary: "tinyproxy", package: "tinyproxy-bin", why: "a proxy on the agent's way out" },
  { binary: "stunnel4", package: "stunnel4", why: "TLS on the way to that proxy" },
  { binary: "haproxy", package: "haproxy", why: "a real load balancer that speaks the PROXY protocol" },
  { binary: "dnsmasq", package: "dnsmasq-base", why: "a name server as a published udp service" },
  { binary: "dig", package: "bind9-dnsutils", why: "client of a published name server" },
  { binary: "psql", package: "postgresql-client", why: "client of a published database" },
  { binary: "postgres", package: "postgresql", why: "a database as a published tcp service" },
  { binary: "initdb", package: "postgresql", why: "a fresh cluster for each test run" },
  { binary: "chromium", package: "chromium", why: "published sites and error pages as a person sees them" },
  { binary: "zbarimg", package: "zbar-tools", why: "reads QR codes that our own code has drawn" },
  { binary: "swtpm", package: "swtpm", why: "a software TPM 2.0 that proves what a machine is" },
  {
    binary: "swtpm_setup",
    package: "swtpm-tools",
    why: "endorsement keys with certificates of a local authority",
  },
  { binary: "tpm2", package: "tpm2-tools", why: "quotes and credentials not made by our own code" },
  { binary: "systemd-analyze", package: "systemd", why: "whether systemd accepts the service units" },
];

/** Where Debian keeps programs that are not on every user's PATH. */
export const EXTRA_DIRECTORIES: readonly string[] = [
  "/usr/sbin",
  "/usr/local/bin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

const postgresRoot = "/usr/lib/postgresql";
const aptAttempts = 3;
const aptUpdateTimeoutMs = 120_000;
const aptInstallTimeoutMs = 420_000;

/** Absolute path of a program: PATH first, then Debian's places, newest PostgreSQL first; undefined if absent. */
export function findBinary(name: string): string | undefined {
  const path = (Deno.env.get("PATH") ?? "").split(":").filter((entry) => entry.startsWith("/"));
  return [...path, ...EXTRA_DIRECTORIES, ...postgresDirectories()]
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

/** Rows whose program is not on this machine. */
export function missingRows(find: (binary: string) => string | undefined = findBinary): PackageRow[] {
  return PACKAGES.filter((row) => find(row.binary) === undefined);
}

/** The one command line that installs the packages of these rows, as a person would type it. */
export function aptCommand(rows: readonly PackageRow[]): string {
  return `apt-get update && ${aptInstall(rows).join(" ")}`;
}

function aptInstall(rows: readonly PackageRow[]): string[] {
  return ["apt-get", "install", "-y", "--no-install-recommends", ...new Set(rows.map((row) => row.package))];
}

/** Installs what these rows name, as root. Returns what went wrong, or undefined when every program is there. */
export async function installPackages(rows: readonly PackageRow[]): Promise<string | undefined> {
  const [program, ...args] = aptInstall(rows);
  for (let attempt = 1; attempt <= aptAttempts; attempt++) {
    const round = attempt === 1 ? "" : ` (attempt ${attempt} of ${aptAttempts})`;
    print(`test: apt-get update${round}`);
    const updated = await run("apt-get", ["update", "-q"], aptUpdateTimeoutMs);
    // Lists of an earlier update may still be good enough: go on to the installation either way.
    if (!updated.ok) print(`test: apt-get update did not succeed: ${updated.lastLine}`);
    print(`test: ${program} ${args.join(" ")}${round}`);
    const installed = await run(program, args, aptInstallTimeoutMs);
    if (installed.ok) break;
    print(`test: installation did not succeed: ${installed.lastLine}`);
  }
  const left = rows.filter((row) => findBinary(row.binary) === undefined);
  return left.length === 0
    ? undefined
    : `missing after installation: ${left.map((row) => row.binary).join(", ")}`;
}

async function run(
  program: string,
  args: string[],
  timeoutMs: number,
): Promise<{ ok: boolean; lastLine: string }> {
  const signal = AbortSignal.timeout(timeoutMs);
  const command = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal,
    // RUNLEVEL=1: packages of servers are not to start a service of their own where the init system honours it.
    env: { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  });
  try {
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(success ? stdout : stderr.length > 0 ? stderr : stdout);
    const lastLine = text.trim().split("\n").at(-1) ?? "";
    return { ok: success, lastLine: signal.aborted ? `no end within ${timeoutMs / 1000} s` : lastLine };
  } catch (error) {
    return { ok: false, lastLine: String(error) };
  }
}

function postgresDirectories(): string[] {
  try {
    return [...Deno.readDirSync(postgresRoot)]
      .map((entry) => entry.name)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => `${postgresRoot}/${version}/bin`);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    const info = Deno.statSync(path);
    return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}
