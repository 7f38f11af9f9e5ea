/**
 * Reads TypeScript source just far enough for the architecture tests: where comments and strings are, and what a file
 * imports. It is no parser; {@link blank} keeps every offset and line break.
 */

/** One import, re-export or `import()` of a file. */
export interface ImportEdge {
  readonly specifier: string;
  /** 1-based. */
  readonly line: number;
  /** Erased at run time: `import type` or `export type`. */
  readonly typeOnly: boolean;
}

/** Source with the inside of comments, strings, templates and regular expressions replaced by spaces. */
export function blank(source: string): string {
  const out = source.split("");
  const wipe = (from: number, to: number) => {
    for (let i = from; i < to && i < out.length; i++) if (out[i] !== "\n") out[i] = " ";
  };
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = [];
  let depth = 0;
  /** Last significant character, to tell division from a regular expression. */
  let last = "";
  let at = 0;
  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const char = source[at];
    if (two === "//") at = wipeUntil(source.indexOf("\n", at));
    else if (two === "/*") at = wipeUntil(source.indexOf("*/", at) + 2);
    else if (char === '"' || char === "'") at = wipeQuoted(at, char);
    else if (char === "`") at = wipeTemplate(at + 1);
    else if (char === "/" && startsRegExp(at)) at = wipeRegExp(at);
    else if (char === "}" && templates.at(-1) === depth) {
      templates.pop();
      at = wipeTemplate(at + 1);
    } else {
      if (char === "{") depth++;
      else if (char === "}") depth--;
      if (!/\s/.test(char)) last = char;
      at++;
    }
  }
  return out.join("");

  function wipeUntil(end: number): number {
    const stop = end < at + 1 ? source.length : end;
    wipe(at, stop);
    return stop;
  }
  function wipeQuoted(start: number, quote: string): number {
    let end = start + 1;
    while (end < source.length && source[end] !== quote && source[end] !== "\n") {
      end += source[end] === "\\" ? 2 : 1;
    }
    wipe(start + 1, end);
    last = quote;
    return end + 1;
  }
  function wipeTemplate(start: number): number {
    let end = start;
    while (end < source.length && source[end] !== "`" && source.slice(end, end + 2) !== "${") {
      end += source[end] === "\\" ? 2 : 1;
    }
    wipe(start, end);
    last = "`";
    if (source[end] === "`") return end + 1;
    templates.push(depth);
    last = "{";
    return end + 2;
  }
  function startsRegExp(slash: number): boolean {
    if (last === "" || "(,=:[!&|?{};+-*%<>~^".includes(last)) return true;
    return /\b(return|typeof|case|in|of|do|else|void|yield|await)\s*$/.test(
      source.slice(Math.max(0, slash - 12), slash),
    );
  }
  function wipeRegExp(start: number): number {
    let end = start + 1;
    let inClass = false;
    while (end < source.length && source[end] !== "\n" && (inClass || source[end] !== "/")) {
      if (source[end] === "\\") end++;
      else if (source[end] === "[") inClass = true;
      else if (source[end] === "]") inClass = false;
      end++;
    }
    wipe(start + 1, end);
    last = "/";
    return end + 1;
  }
}

const importStart = /\b(?:(import|export)\s+(type\s)?[^;"'()=]*?\bfrom\s*|import\s*|import\s*\(\s*)(["'])/g;

/** What a file imports, in order. Computed specifiers of `import()` are not seen. */
export function importsOf(source: string): ImportEdge[] {
  const code = blank(source);
  return [...code.matchAll(importStart)].map((match) => {
    const start = match.index + match[0].length;
    return {
      specifier: source.slice(start, code.indexOf(match[3], start)),
      line: code.slice(0, match.index).split("\n").length,
      typeOnly: match[2] !== undefined,
    };
  });
}

/** Sorted paths of files below the directories whose names end in one of `endings`; missing directories are empty. */
export function listSources(
  directories: readonly string[],
  endings: readonly string[] = [".ts", ".tsx"],
): string[] {
  const found: string[] = [];
  const visit = (directory: string) => {
    for (const entry of Deno.readDirSync(directory)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory) visit(path);
      else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(path);
    }
  };
  for (const directory of directories) {
    try {
      visit(directory);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found.sort();
}

/** Path that a relative specifier of `from` means, or undefined for packages and built-ins. */
export function resolveRelative(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
