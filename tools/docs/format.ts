/** Markdown as `deno fmt` leaves it, so that generated pages pass the same check as written ones. */
import type { Pages } from "./pages.ts";

/** Same as "fmt" in deno.json. */
const lineWidth = 110;

/** Formats all Markdown pages at once in a folder of their own; other pages stay as they are. */
export async function formatPages(pages: Pages): Promise<Pages> {
  const folder = Deno.makeTempDirSync({ prefix: "postern-docs-" });
  try {
    const names = [...pages.keys()].filter((path) => path.endsWith(".md"));
    for (const [index, path] of names.entries()) {
      Deno.writeTextFileSync(`${folder}/${index}.md`, pages.get(path) ?? "");
    }
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", "--no-config", `--line-width=${lineWidth}`, folder],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`Cannot format pages: ${new TextDecoder().decode(stderr)}`);
    const formatted = new Map(pages);
    for (const [index, path] of names.entries()) {
      formatted.set(path, Deno.readTextFileSync(`${folder}/${index}.md`));
    }
    return formatted;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
