/** Which test files a command line means. */
const testFile = /(^|\/|[._])test\.tsx?$/;
const serialRoots: readonly string[] = ["tests/e2e/"];

/** Files that share the machine in parallel, and files that want it for themselves. */
export interface Selection {
  readonly parallel: string[];
  readonly serial: string[];
}

/** Every test file below `root`, as sorted paths relative to the working directory. */
export function listTestFiles(root: string): string[] {
  const found: string[] = [];
  const visit = (directory: string) => {
    for (const entry of Deno.readDirSync(directory)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory && entry.name !== "node_modules") visit(path);
      else if (entry.isFile && testFile.test(path)) found.push(path);
    }
  };
  visit(root.replace(/\/+$/, ""));
  return found.sort();
}

/**
 * Narrows the files to those that a filter names: a path to a file or folder, or a part of a path.
 * No filter means all of them. Throws RangeError for a filter that matches nothing.
 */
export function selectFiles(all: readonly string[], filters: readonly string[]): Selection {
  const chosen = new Set<string>(filters.length === 0 ? all : []);
  for (const filter of filters) {
    const path = filter.replace(/^\.\//, "").replace(/\/+$/, "");
    const exact = all.filter((file) => file === path || file.startsWith(`${path}/`));
    const matched = exact.length > 0 ? exact : all.filter((file) => file.includes(path));
    if (matched.length === 0) {
      throw new RangeError(`Cannot select tests: nothing matches ${JSON.stringify(filter)}`);
    }
    for (const file of matched) chosen.add(file);
  }
  const isSerial = (file: string) => serialRoots.some((root) => file.startsWith(root));
  const files = all.filter((file) => chosen.has(file));
  return { parallel: files.filter((file) => !isSerial(file)), serial: files.filter(isSerial) };
}
