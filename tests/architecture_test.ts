/** What holds the parts apart. Each rule says why it is there; change the reason before the rule. */
import assert from "node:assert/strict";
import { CATALOGUE } from "../src/errors/mod.ts";
import { blank, importsOf, listSources, resolveRelative } from "./support/source_scan.ts";

/** Imports go up this list or stay within a row, never down: a core can then be understood and tested without IO. */
const ROWS: readonly (readonly string[])[] = [
  ["src/errors", "src/ports", "src/bytes", "src/version.ts"],
  [
    "src/wire",
    "src/http1",
    "src/http2",
    "src/crypto",
    "src/identity",
    "src/x509",
    "src/attestation",
    "src/pki",
    "src/policy",
    "src/grants",
    "src/release",
    "src/config",
    "src/rules",
    "src/audit",
    "wasm",
  ],
  ["src/mux"],
  ["src/channel", "src/relay"],
  ["src/driver", "src/telemetry", "src/store", "src/tokens", "src/nodes"],
  ["src/edge", "src/control", "agent"],
  ["src/workers", "src/dashboard"],
  ["src/main.ts"],
  ["cli"],
];

/** Everything before this row is a function of its arguments: time, randomness and bytes are handed in. */
const FIRST_ROW_WITH_EFFECTS = 4;

/** An agent binary stays small, and a flaw in the edge or control cannot become a flaw of every host. */
const AGENT_NEVER_IMPORTS = ["src/edge", "src/control", "src/workers", "src/dashboard", "src/main.ts"];

/** Build steps and AssemblyScript beside the core: they never run in an edge or agent. */
const NOT_SHIPPED = /^wasm\/(assembly\/|(build|generate|generator)\b|[a-z_]*_generator\b)/;

/** What a pure core cannot do, and what to take instead. */
const EFFECTS: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDeno\s*\./, instead: "a port" },
  {
    pattern: /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(/,
    instead: "ports Clock, or a deadline",
  },
  { pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)/, instead: "a `now` argument" },
  { pattern: /\bperformance\s*\.\s*now\b/, instead: "a `now` argument" },
  { pattern: /(?<![.\w])fetch\s*\(/, instead: "a port" },
  { pattern: /\b(getRandomValues|randomUUID|randomBytes|Math\s*\.\s*random)\b/, instead: "ports Random" },
];
const EFFECT_MODULES =
  /^node:(net|tls|http|https|http2|fs|fs\/promises|dgram|dns|child_process|worker_threads|timers.*|sqlite)$/;

/** What has effects takes its time from a Clock all the same: only then can its waits be tested. */
const OWN_TIME =
  /\b(setTimeout|setInterval)\s*\(|\bAbortSignal\s*\.\s*timeout\b|\bDate\s*\.\s*now\b|\bperformance\s*\.\s*now\b/;
/** The clock itself; and the store, which is opened by tools without one. */
const HAS_TIME = ["src/driver/clock.ts", "src/store/sql_store.ts", "src/store/sqlite_database.ts"];

/** A file that needs more lines holds more than one noun. */
const maxLines = 600;

/** Names that say nothing, where everything ends up. */
const EMPTY_NAME = /(^|[/_])(utils?|common|helpers?|misc|stuff)([/_.]|$)/;
const SNAKE_CASE = /^[a-z0-9]+(_[a-z0-9]+)*(\.generated)?\.tsx?$/;

const SHIPPED = listSources(["src", "agent", "cli", "wasm"]).filter((path) => !NOT_SHIPPED.test(path));
const sources = new Map(SHIPPED.map((path) => [path, Deno.readTextFileSync(path)]));

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly line: number;
}

const edges: Edge[] = [...sources].flatMap(([from, text]) =>
  importsOf(text).flatMap(({ specifier, line }) => {
    const to = resolveRelative(from, specifier);
    return to === undefined ? [] : [{ from, to, line }];
  })
);
const crossing = edges.filter((edge) => moduleOf(edge.from) !== moduleOf(edge.to));

/** `src/<module>` for what is below src, else the top folder; files in src itself belong to the composition root, but for one. */
function moduleOf(path: string): string {
  if (path === "src/version.ts") return path;
  if (/^src\/[^/]+$/.test(path)) return "src/main.ts";
  const parts = path.split("/");
  return parts[0] === "src" ? parts.slice(0, 2).join("/") : parts[0];
}

function rowOf(module: string): number {
  return ROWS.findIndex((row) => row.includes(module));
}

function isGenerated(path: string, text: string): boolean {
  return path.includes(".generated.") || /^(\/\/|\/\*\*?)[^\n]*\b(generated|written) by\b/i.test(text);
}

function none(violations: readonly string[], rule: string): void {
  assert.equal(violations.length, 0, `${rule}\n  ${violations.join("\n  ")}`);
}

const show = (edge: Edge) => `${edge.from}:${edge.line} imports ${edge.to}`;

Deno.test("architecture: the import graph was seen", () => {
  assert.ok(SHIPPED.length > 20, `only ${SHIPPED.length} files`);
  assert.ok(
    edges.length > 20 && crossing.length > 5,
    `only ${edges.length} imports, ${crossing.length} between modules`,
  );
  const known = new Set(SHIPPED);
  none(
    edges.filter((edge) => /\.tsx?$/.test(edge.to) && !NOT_SHIPPED.test(edge.to) && !known.has(edge.to)).map(
      show,
    ),
    "every import leads to a file that was read",
  );
});

Deno.test("architecture: what a file exports is used by another one", () => {
  const words = new Map<string, Set<string>>();
  for (const path of listSources(["src", "agent", "cli", "wasm", "tools", "bench", "tests"])) {
    for (const word of new Set((sources.get(path) ?? Deno.readTextFileSync(path)).match(/\w+/g))) {
      const users = words.get(word);
      if (users === undefined) words.set(word, new Set([path]));
      else users.add(path);
    }
  }
  const idle: string[] = [];
  for (const [path, text] of sources) {
    if (path.startsWith("wasm/")) continue;
    for (
      const [, name] of text.matchAll(/^export (?:async )?(?:abstract )?(?:function\*?|class|const) (\w+)/gm)
    ) {
      const users = [...words.get(name)!].filter((user) => user !== path);
      if (!users.some((user) => !user.endsWith("/mod.ts") || user.includes("/catalogue/"))) {
        idle.push(`${path}: ${name}`);
      }
    }
  }
  none(idle, "an export is a promise: without a user it is dead, or private");
});

Deno.test("architecture: the numbers of a module have names of one style", () => {
  const styles = new Map<string, Map<string, string>>();
  for (const [path, text] of sources) {
    const module = moduleOf(path);
    if (module === "wasm") continue;
    for (const [, name] of text.matchAll(/^(?:export )?const ([A-Za-z]\w*)(?:: number)? = [0-9]/gm)) {
      const style = name === name.toUpperCase() ? "LIMIT_BYTES" : "limitBytes";
      const seen = styles.get(module) ?? new Map();
      styles.set(module, seen.set(style, `${path}: ${name}`));
    }
  }
  assert.ok(styles.size > 10);
  none(
    [...styles.values()].filter(({ size }) => size > 1).map((seen) => [...seen.values()].join(" and ")),
    "what moves bytes has LIMIT_BYTES, what holds settings and rules has limitBytes",
  );
});

Deno.test("architecture: CONTRIBUTING.md names every module, in the order of its row", async () => {
  const text = await Deno.readTextFile("CONTRIBUTING.md");
  const places = ROWS.map((row) =>
    row.filter((module) => /^src\/\w+$/.test(module)).map((module) => {
      const at = text.indexOf(` ${module.slice("src/".length)}/`);
      assert.ok(at >= 0, module);
      return at;
    })
  ).filter((row) => row.length > 0);
  for (const [at, row] of places.slice(1).entries()) {
    assert.ok(Math.max(...places[at]) < Math.min(...row), `row ${at + 2}`);
  }
});

Deno.test("architecture: the map of README.md names every module", async () => {
  const text = await Deno.readTextFile("README.md");
  const modules = ROWS.flat().filter((module) => /^(src\/)?\w+$/.test(module));
  none(
    modules.filter((module) => !text.includes(`| \`${module}\``) && !text.includes(`\` \`${module}\``)),
    "| where | what |",
  );
});

Deno.test("architecture: every module has its row", () => {
  none(
    [...new Set(SHIPPED.map(moduleOf))].filter((module) => rowOf(module) < 0),
    "name the row of a new module in ROWS",
  );
});

Deno.test("architecture: imports go to the same or a higher row", () => {
  none(
    crossing.filter((edge) => rowOf(moduleOf(edge.to)) > rowOf(moduleOf(edge.from))).map(show),
    "see ROWS",
  );
});

Deno.test("architecture: an agent imports nothing of edge and control", () => {
  const reached = new Map<string, Edge>();
  const visit = (path: string) => {
    for (const edge of edges) {
      if (edge.from !== path || reached.has(edge.to)) continue;
      reached.set(edge.to, edge);
      visit(edge.to);
    }
  };
  for (const path of SHIPPED.filter((path) => moduleOf(path) === "agent")) visit(path);
  const wrong = [...reached].filter(([to]) => AGENT_NEVER_IMPORTS.includes(moduleOf(to)));
  none(wrong.map(([, edge]) => show(edge)), "not even by way of others");
});

Deno.test("architecture: other modules see a module's mod.ts only", () => {
  const isFace = (path: string) =>
    /(^|\/)mod\.tsx?$/.test(path) || /^src\/(main|worker|version)\.ts$/.test(path);
  none(
    crossing.filter((edge) => /\.tsx?$/.test(edge.to) && !isFace(edge.to)).map(show),
    "what is not exported by mod.ts may change at any time",
  );
});

Deno.test("architecture: modules do not import each other in a circle", () => {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of crossing) {
    const targets = next.get(moduleOf(from)) ?? new Set();
    next.set(moduleOf(from), targets.add(moduleOf(to)));
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (module: string, path: readonly string[]) => {
    if (path.includes(module)) circles.push([...path.slice(path.indexOf(module)), module].join(" -> "));
    if (path.includes(module) || done.has(module)) return;
    for (const target of next.get(module) ?? []) visit(target, [...path, module]);
    done.add(module);
  };
  for (const module of next.keys()) visit(module, []);
  none(circles, "of two modules in a circle neither can be understood alone");
});

Deno.test("architecture: cores have no time, randomness or IO of their own", () => {
  const pure = [...sources].filter(([path]) => rowOf(moduleOf(path)) < FIRST_ROW_WITH_EFFECTS);
  assert.ok(pure.length > 10, `only ${pure.length} files`);
  const wrong: string[] = [];
  for (const [path, text] of pure) {
    blank(text).split("\n").forEach((line, index) => {
      for (const { pattern, instead } of EFFECTS) {
        const found = pattern.exec(line);
        if (found) wrong.push(`${path}:${index + 1} ${found[0]} (take ${instead})`);
      }
    });
    for (const { specifier, line, typeOnly } of importsOf(text)) {
      if (!typeOnly && EFFECT_MODULES.test(specifier)) wrong.push(`${path}:${line} imports ${specifier}`);
    }
  }
  none(wrong, "a test must be able to drive a core in virtual time, and a fuzzer without a machine");
});

Deno.test("architecture: edges and agents have one clock", () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    if (moduleOf(path) === "cli" || HAS_TIME.includes(path)) continue;
    blank(text).split("\n").forEach((line, index) => {
      const found = OWN_TIME.exec(line);
      if (found) wrong.push(`${path}:${index + 1} ${found[0]} (take ports Clock)`);
    });
  }
  none(wrong, "a wait that the virtual clock does not drive is a wait that no test sees");
});

Deno.test("architecture: packages are named in deno.json only", () => {
  const wrong = [...sources].flatMap(([path, text]) =>
    importsOf(text).filter(({ specifier }) => /^(npm|jsr|https?):/.test(specifier)).map((
      { specifier, line },
    ) => `${path}:${line} imports ${specifier}`)
  );
  none(wrong, "one exact version each, in one place");
});

Deno.test("architecture: files are small and named after what they hold", () => {
  const wrong: string[] = [];
  for (const path of listSources(["src", "agent", "cli", "wasm", "tools", "bench", "tests"])) {
    const text = Deno.readTextFileSync(path);
    const lines = text.split("\n").length;
    if (lines > maxLines && !isGenerated(path, text)) wrong.push(`${path}: ${lines} lines`);
    if (EMPTY_NAME.test(path)) wrong.push(`${path}: its name says nothing`);
    if (!SNAKE_CASE.test(path.slice(path.lastIndexOf("/") + 1))) wrong.push(`${path}: not in snake_case`);
  }
  none(wrong, `at most ${maxLines} lines, one noun, snake_case`);
});

Deno.test("architecture: what is enrolled has an enrollment, in one spelling", () => {
  const wrong: string[] = [];
  const texts = listSources(["src", "agent", "cli", "tools", "tests"]).concat(
    ["README.md", "CHANGELOG.md", "docs/operator-guide.md", "docs/protocol.md", "docs/http.md"],
  );
  for (const path of texts) {
    if (path === "tests/architecture_test.ts") continue;
    // Names in databases stay what they are.
    const text = Deno.readTextFileSync(path).replaceAll(/\b(open_enrolment|enrolment_(tokens|id))\w*/g, "");
    const found = /\w*enrol(?!l)\w*/i.exec(text);
    if (found) wrong.push(`${path}: ${found[0]}`);
  }
  none(wrong, "as codes, routes and commands spell it");
});

Deno.test("errors: every code says what happened and what to do about it", () => {
  assert.ok(Object.keys(CATALOGUE).length > 0);
  const wrong: string[] = [];
  for (const [code, facts] of Object.entries(CATALOGUE)) {
    if (!/^[a-z]+[a-z0-9]*(_[a-z0-9]+)*$/.test(code)) wrong.push(`${code}: not in snake_case`);
    for (const key of ["title", "cause", "remedy"] as const) {
      if (facts[key].trim().length < 5) wrong.push(`${code}: its ${key} is empty`);
    }
    for (const key of ["cause", "remedy"] as const) {
      if (!/[.)`]$/.test(facts[key].trim())) wrong.push(`${code}: its ${key} is no whole sentence`);
    }
  }
  none(wrong, "each code is a page of the documentation");
});

Deno.test("errors: every code is raised somewhere and provoked by a test", () => {
  const quoted = (texts: string[]) =>
    new Set(texts.flatMap((text) => text.match(/(?<=["'`])[a-z][a-z0-9_]*(?=["'`])/g) ?? []));
  const raised = quoted(
    [...sources].filter(([path]) => !path.startsWith("src/errors/catalogue/")).map(([, text]) => text),
  );
  const tested = quoted(
    listSources(["tests"]).filter((path) => path !== "tests/architecture_test.ts").map((path) =>
      Deno.readTextFileSync(path)
    ),
  );
  const codes = Object.keys(CATALOGUE);
  none(codes.filter((code) => !raised.has(code)), "codes that nothing raises");
  none(codes.filter((code) => !tested.has(code)), "codes that no test provokes");
});
