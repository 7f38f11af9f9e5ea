/** The page that a person sees when a request cannot be served. Self-contained: no script, no request. */
import type { ErrorResponse } from "./error_response.ts";
import { reasonPhrase } from "./status.ts";

/** HTML of the page; every part is escaped. */
export function errorPage(error: ErrorResponse): string {
  const title = escapeHtml(error.title);
  const detail = error.detail === undefined ? "" : `<p>${escapeHtml(error.detail)}</p>\n`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${error.status} ${title}</title>
<style>${STYLE}</style>
<main>
<p class="status">${error.status} ${escapeHtml(reasonPhrase(error.status))}</p>
<h1>${title}</h1>
${detail}<dl>
<dt>Code</dt><dd><code>${escapeHtml(error.code)}</code></dd>
<dt>Request id</dt><dd><code>${escapeHtml(error.requestId)}</code></dd>
</dl>
</main>
</html>
`;
}

/** Text for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (unit) => ENTITIES[unit]);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #5b6370; --line: #d9dde3; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa3af; --line: #343a43; --paper: #15181c; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem; overflow-wrap: anywhere; }
.status { margin: 0; color: var(--soft); }
h1 { margin: .25rem 0 1rem; font-size: 1.75rem; line-height: 1.2; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1.5rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; }
code { font: .9em ui-monospace, monospace; }
`;
