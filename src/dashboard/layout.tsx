/** The frame of every page: landmarks, navigation, theme. */
import type { FC, PropsWithChildren } from "hono/jsx";
import { assetPaths } from "./assets.ts";
import type { Markup } from "./parts.tsx";

/** Where everything of the dashboard is. */
const dashboardPath = "/dashboard";

export function isDashboardPath(path: string): boolean {
  return path === dashboardPath || path.startsWith(`${dashboardPath}/`);
}

export const themes = ["auto", "light", "dark"] as const;
export type Theme = typeof themes[number];

/** One page that leads somewhere from everywhere. */
export interface NavEntry {
  readonly path: string;
  readonly title: string;
}

/** Who looks at a page, and how. */
export interface Frame {
  readonly theme: Theme;
  /** Path of the page, and its query. */
  readonly path: string;
  readonly query: string;
  /** What is administered here, e.g. the public host. */
  readonly place: string;
  /** Absent: nobody is signed in. */
  readonly viewer?: {
    readonly name: string;
    readonly role: string;
    readonly csrf: string;
    readonly nav: readonly NavEntry[];
    /** Where the name at the top leads. */
    readonly home: string;
    readonly signOut: string;
  };
}

interface PageProps {
  readonly frame: Frame;
  readonly title: string;
  readonly hint?: Markup;
  /** Regions of the page come anew by themselves. */
  readonly isLive?: boolean;
}

export const Page: FC<PropsWithChildren<PageProps>> = ({ frame, title, hint, isLive, children }) => {
  const { theme, viewer, path, query } = frame;
  return (
    <html lang="en" data-theme={theme === "auto" ? undefined : theme}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content={theme === "auto" ? "light dark" : theme} />
        <title>{title} · Postern</title>
        <link rel="icon" href={assetPaths.icon} type="image/svg+xml" />
        <link rel="stylesheet" href={assetPaths.style} />
        <script src={assetPaths.script} type="module"></script>
      </head>
      <body class={viewer === undefined ? "alone" : undefined}>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top">
          <a class="brand" href={viewer?.home ?? dashboardPath}>
            <Mark />Postern
          </a>
          <span class="where">{frame.place}</span>
          <span class="spring"></span>
          <ThemeForm theme={theme} back={path + query} />
          {viewer === undefined ? null : (
            <div class="who">
              <span class="name">
                <a href={`${viewer.home === dashboardPath ? `${dashboardPath}/account` : viewer.home}`}>
                  {viewer.name}
                </a>{" "}
                · {viewer.role}
              </span>
              <form method="post" action={viewer.signOut}>
                <input type="hidden" name="csrf" value={viewer.csrf} />
                <button type="submit" class="small">Sign out</button>
              </form>
            </div>
          )}
        </header>
        {viewer === undefined ? null : <Navigation path={path} entries={viewer.nav} />}
        <main id="main" tabindex={-1}>
          <div class="title">
            <h1>{title}</h1>
            {hint === undefined ? null : <p>{hint}</p>}
            {isLive
              ? (
                <span
                  id="live"
                  class="live"
                  data-source={`${dashboardPath}/live?page=${encodeURIComponent(path + query)}`}
                >
                  As of now
                </span>
              )
              : null}
          </div>
          {children}
        </main>
        <div id="announcements" class="only-read" role="status" aria-live="polite"></div>
      </body>
    </html>
  );
};

/** An arch with a door in it. */
const Mark: FC = () => (
  <svg viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <rect width="20" height="20" rx="4" fill="#0b57a4" />
    <path
      d="M6 16V7.5a4 4 0 0 1 8 0V16M10 16v-5"
      fill="none"
      stroke="#fff"
      stroke-width="2"
      stroke-linecap="round"
    />
  </svg>
);

const nextTheme: Readonly<Record<Theme, Theme>> = { auto: "dark", dark: "light", light: "auto" };
const themeNames: Readonly<Record<Theme, string>> = { auto: "system", light: "light", dark: "dark" };

/** One button that goes round the themes. */
const ThemeForm: FC<{ theme: Theme; back: string }> = ({ theme, back }) => (
  <form method="post" action={`${dashboardPath}/theme`}>
    <input type="hidden" name="back" value={back} />
    <button
      type="submit"
      class="small"
      name="theme"
      value={nextTheme[theme]}
      title={`Change to ${themeNames[nextTheme[theme]]}`}
    >
      Theme: {themeNames[theme]}
    </button>
  </form>
);

const Navigation: FC<{ path: string; entries: readonly NavEntry[] }> = ({ path, entries }) => (
  <nav class="nav" aria-label="Dashboard">
    <ul>
      {entries.map((entry) => (
        <li>
          <a href={entry.path} aria-current={isAt(path, entry.path) ? "page" : undefined}>{entry.title}</a>
        </li>
      ))}
    </ul>
  </nav>
);

/** The overview is above all others: only itself is at it. */
function isAt(path: string, entry: string): boolean {
  return path === entry || (entry !== dashboardPath && path.startsWith(`${entry}/`));
}
