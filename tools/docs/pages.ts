/** Generated pages against what lies on the disk. */

/** Text by path from the root of the project. */
export type Pages = ReadonlyMap<string, string>;

/** One file that is not as it should be; without text it should not be there. */
export interface Change {
  readonly path: string;
  readonly state: "missing" | "differs" | "no longer generated";
  readonly text?: string;
}

/** What has to change on the disk, sorted by path. Every file in an owned folder must be a generated one. */
export function differences(pages: Pages, ownedFolders: readonly string[]): Change[] {
  const changes: Change[] = [];
  for (const [path, text] of pages) {
    const present = readIfThere(path);
    if (present !== text) changes.push({ path, state: present === undefined ? "missing" : "differs", text });
  }
  for (const path of ownedFolders.flatMap(filesIn)) {
    if (!pages.has(path)) changes.push({ path, state: "no longer generated" });
  }
  return changes.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Text for a cell of a Markdown table. */
export function cell(text: string): string {
  return escapeMarkup(text).replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** Text with what HTML would swallow escaped, outside of code spans. */
export function escapeMarkup(text: string): string {
  return text.split(/(`[^`]*`)/).map((part, index) => index % 2 === 1 ? part : part.replaceAll("<", "\\<"))
    .join("");
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function filesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => entry.isFile).map((entry) =>
      `${folder}/${entry.name}`
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
