/** The page that shows a token once, to somebody who has no account here. */
import { createHash } from "node:crypto";

const style = `
:root { color-scheme: light dark; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 40rem; margin: 10vh auto 0; padding: 0 1.5rem 3rem; }
code, textarea { font: .9em ui-monospace, monospace; }
textarea { width: 100%; box-sizing: border-box; padding: .6rem; }
label { display: block; margin: 1rem 0 .25rem; }
button { font: inherit; margin: 1.5rem 0; padding: .5rem 1.25rem; }
svg { width: min(18rem, 100%); height: auto; display: block; margin: 1rem 0; }
[hidden] { display: none; }
`;

/** Texts of answers are set as text, never as markup; the image is parsed as one. */
const script = `
const show = (id) => { document.getElementById(id).hidden = false; };
const hide = (id) => { document.getElementById(id).hidden = true; };
const tell = (text) => { document.getElementById("problem").textContent = text; show("problem"); };
const secret = location.hash.slice(1);
// Out of the history and of what might be copied from the address bar.
history.replaceState(null, "", location.pathname);
const post = async (path, body) => {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const json = await answer.json();
  if (answer.ok) return json;
  // Gone is gone; whatever else it was may be over in a moment.
  if (answer.status !== 410) show("ask");
  throw new Error(json.title + ". " + json.detail);
};
if (secret === "") { hide("ask"); tell("This link is not complete: copy all of it, with what stands behind the #."); }
document.getElementById("reveal").addEventListener("click", async () => {
  hide("ask");
  try {
    const shown = await post("/api/admin/reveal", { secret });
    document.getElementById("token").value = shown.token;
    document.getElementById("link").href = shown.deep_link;
    const image = new DOMParser().parseFromString(shown.qr_svg, "image/svg+xml").documentElement;
    image.setAttribute("role", "img");
    image.setAttribute("aria-label", "QR code of the token");
    document.getElementById("qr").append(document.importNode(image, true));
    show("shown");
    document.getElementById("token").focus();
  } catch (error) { tell(error.message); }
});
document.getElementById("copy").addEventListener("click", () =>
  navigator.clipboard.writeText(document.getElementById("token").value));
`;

/** A page with the policy that it is served under: nothing but its own script and style, and nobody frames it. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Enrollment token - Postern</title>
<style>${style}</style>
<main>
<h1>Enrollment token</h1>
<div id="ask">
<p>This link shows a token once. It lets one machine in: open it on that machine, or where you can hand it over safely.</p>
<button id="reveal" type="button">Show the token</button>
</div>
<div id="shown" hidden>
<p>This is the only time that it is shown. Write it into a file that only you can read, and name that file:
<code>postern enroll --token-file FILE</code>.</p>
<label for="token">Token</label>
<textarea id="token" rows="4" readonly spellcheck="false"></textarea>
<button id="copy" type="button">Copy</button>
<p><a id="link">Open with Postern on this machine</a>, or scan:</p>
<div id="qr"></div>
</div>
<p id="problem" role="alert" hidden></p>
</main>
<script type="module">${script}</script>
</html>
`;

export const revealPage: Page = {
  html,
  policy: [
    "default-src 'none'",
    `style-src '${hashOf(style)}'`,
    `script-src '${hashOf(script)}'`,
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
};

/** Content Security Policy 3, 2.3.1. */
function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
