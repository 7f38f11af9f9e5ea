/** A real browser, driven by playwright-core over the Debian package; nothing is downloaded. */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { requireBinary } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

const flags = [
  "--no-sandbox", // Chromium refuses its sandbox under root, as in containers.
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage", // /dev/shm is 64 MB in a container.
  "--no-proxy-server",
];

const launchTimeoutMs = 60_000;
const actionTimeoutMs = 45_000;

export interface ChromiumOptions {
  /** Host names that are to resolve to loopback besides *.localhost, e.g. `["*.example.test"]`. */
  readonly loopbackNames?: readonly string[];
  /** Accept any certificate. Only for tests that are not about certificates. */
  readonly ignoreCertificates?: boolean;
}

/** Ends with its scope, profile included: `await using browser = await Chromium.start()`. */
export class Chromium implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly #browser: Browser | null;
  readonly #folder: TempDir;
  /** What pages wrote to their console and threw, for failure messages. */
  readonly console: string[] = [];

  private constructor(context: BrowserContext, folder: TempDir) {
    this.context = context;
    this.#browser = context.browser();
    this.#folder = folder;
  }

  static async start(options: ChromiumOptions = {}): Promise<Chromium> {
    const folder = await TempDir.make("chromium");
    const rules = (options.loopbackNames ?? []).map((name) => `MAP ${name} 127.0.0.1`);
    try {
      const context = await chromium.launchPersistentContext(folder.file("profile"), {
        executablePath: requireBinary("chromium"),
        headless: true,
        args: [...flags, ...(rules.length > 0 ? [`--host-resolver-rules=${rules.join(", ")}`] : [])],
        ignoreHTTPSErrors: options.ignoreCertificates ?? false,
        timeout: launchTimeoutMs,
        env: { ...Deno.env.toObject(), HOME: folder.path, XDG_CONFIG_HOME: folder.file("config") },
      });
      context.setDefaultTimeout(actionTimeoutMs);
      return new Chromium(context, folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Opens a page, its console and errors collected in {@link console}. */
  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on("console", (message) => this.console.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => this.console.push(`uncaught: ${error.message}`));
    await page.goto(url);
    return page;
  }

  /** Another profile, whose pages run no scripts. */
  async contextWithoutScripts(): Promise<BrowserContext> {
    const context = await this.#browser!.newContext({ javaScriptEnabled: false });
    context.setDefaultTimeout(actionTimeoutMs);
    return context;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    await this.#browser?.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}
