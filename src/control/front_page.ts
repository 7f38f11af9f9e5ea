/** What a person sees who opens the address of control in a browser. It says nothing about who uses it. */

/** Path of the page. */
export const frontPagePath = "/";

/** Nothing but the page itself is loaded, and nobody frames it. */
export const frontPagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** Whether the Accept header asks for a page rather than for data. */
export function wantsPage(accept: string | undefined): boolean {
  return accept !== undefined && /(^|,)\s*(text\/html|application\/xhtml\+xml)\s*(;|,|$)/i.test(accept);
}

export const frontPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Postern</title>
<style>
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem; }
code { font: .9em ui-monospace, monospace; }
</style>
<main>
<h1>Postern</h1>
<p>This address works. It takes agents and requests to the control plane; every published service has a name of its own
below it.</p>
<ul>
<li><a href="/dashboard">The dashboard</a>, for administrators and owners of services</li>
<li><a href="/openapi.json">The API of the control plane</a></li>
<li><a href="/healthz">Health</a>, <a href="/readyz">readiness</a></li>
</ul>
<p>To publish a service: <code>postern http 8080 --control</code> and this address.</p>
</main>
</html>
`;
