/**
 * `deno task docs [--check]`: writes the pages that follow from the program itself; with `--check` writes nothing and
 * exits with 1 when a page differs from what would be written.
 *
 * | written | from |
 * |---|---|
 * | docs/errors/ (all of it) | the error catalogue |
 * | docs/reference/frames.md | the frame table, reset reasons and stream classes of src/wire |
 * | docs/reference/settings.md | the settings of src/config |
 * | docs/reference/openapi.json | the routes of src/control |
 *
 * A further page is one more entry in {@link generatedPages}.
 */
import { errorPages } from "./docs/errors.ts";
import { formatPages } from "./docs/format.ts";
import { framesPage } from "./docs/frames.ts";
import { openApiPage } from "./docs/openapi.ts";
import { settingsPage } from "./docs/settings.ts";
import { differences, type Pages } from "./docs/pages.ts";
import { print, printError } from "./print.ts";

/** Folders whose every file is generated: what is no longer generated is removed. */
const OWNED_FOLDERS = ["docs/errors"];

/** All generated pages by path, formatted. */
export async function generatedPages(): Promise<Pages> {
  const pages = new Map([...errorPages(), framesPage(), settingsPage(), openApiPage()]);
  return await formatPages(pages);
}

async function main(args: readonly string[]): Promise<number> {
  const check = args.includes("--check");
  if (args.some((arg) => arg !== "--check")) {
    printError("usage: deno task docs [--check]");
    return 2;
  }
  Deno.chdir(new URL("..", import.meta.url));
  const pages = await generatedPages();
  const changes = differences(pages, OWNED_FOLDERS);
  for (const change of changes) {
    if (check) printError(`${change.path}: ${change.state}`);
    else if (change.text === undefined) Deno.removeSync(change.path);
    else {
      Deno.mkdirSync(change.path.slice(0, change.path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(change.path, change.text);
    }
  }
  if (check && changes.length > 0) {
    printError("Generated pages differ; run `deno task docs` and commit the result.");
  } else print(`${pages.size} generated pages, ${changes.length} ${check ? "differ" : "written or removed"}`);
  return check && changes.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
