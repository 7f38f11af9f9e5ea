// Everything works without this file but for what is live: pages are forms and links.

const announcements = document.getElementById("announcements");

/** Puts what the server has written into the regions of this page, and leaves those alone that somebody is at. */
function replace(regions) {
  for (const { id, html } of regions) {
    const region = document.getElementById(id);
    if (region === null || isInUse(region)) continue;
    const focused = region.contains(document.activeElement)
      ? pathOf(region, document.activeElement)
      : undefined;
    region.innerHTML = html;
    if (focused !== undefined) follow(region, focused)?.focus({ preventScroll: true });
  }
}

/** Whether text is marked here, or something is being filled in. */
function isInUse(region) {
  const selection = document.getSelection();
  if (selection !== null && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
  const active = document.activeElement;
  return region.contains(active) && active.matches("input, select, textarea");
}

/** Where a focused element stands: by its link when it has one, for rows come and go before it. */
function pathOf(region, element) {
  const href = element.getAttribute("href");
  if (href !== null) return { href };
  return { index: [...region.querySelectorAll("a, button, summary, [tabindex]")].indexOf(element) };
}

function follow(region, { href, index }) {
  if (href !== undefined) {
    return [...region.querySelectorAll("a")].find((link) => link.getAttribute("href") === href);
  }
  return region.querySelectorAll("a, button, summary, [tabindex]")[index];
}

/** What is to be said aloud; nothing the first time. */
function changesOf(before, states) {
  if (before === undefined) return "";
  return Object.entries(states).filter(([name, state]) => before[name] !== state)
    .map(([name, state]) => `${name}: ${state}`).slice(0, 5).join(". ");
}

/** Keeps the regions up to date while somebody looks: browsers allow few connections, and hidden pages need none. */
function startLive(status) {
  let source;
  let known;
  const show = (state, text) => {
    status.dataset.state = state;
    status.textContent = text;
  };
  const open = () => {
    if (source !== undefined) return;
    source = new EventSource(status.dataset.source);
    source.addEventListener("update", (event) => {
      const { regions, states } = JSON.parse(event.data);
      replace(regions);
      const said = changesOf(known, states);
      if (said !== "") announcements.textContent = said;
      known = states;
      show("live", "Live");
    });
    source.addEventListener("same", () => show("live", "Live"));
    // The session is over, or the edge is stopping: what is shown is said to be old.
    source.addEventListener("over", () => {
      close();
      show("lost", "No longer live: reload the page");
    });
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) {
        close();
        show("lost", "No longer live: reload the page");
      } else if (Date.now() - startedAt > 10_000) show("lost", "Connecting again");
      startedAt = Date.now();
    });
  };
  let startedAt = Date.now();
  const close = () => {
    source?.close();
    source = undefined;
  };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  if (!document.hidden) open();
}

/** Copies the text of the element that the button names. */
function offerCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      announcements.textContent = button.textContent = "Copied";
    } catch {
      announcements.textContent = button.textContent = "Not possible here: mark it and copy";
    }
  });
}

/** Moves the secret behind the # into the form, and out of the address and its history. */
function takeSecret(field) {
  if (location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}

const status = document.getElementById("live");
if (status !== null) startLive(status);
for (const button of document.querySelectorAll("[data-copies]")) offerCopy(button);
for (const field of document.querySelectorAll("[data-from-fragment]")) takeSecret(field);
