/** What every page is made of. Names come from outside: JSX escapes them, and nothing here is raw. */
import type { Child, FC, PropsWithChildren } from "hono/jsx";
import type { Tier } from "../identity/mod.ts";
import { formatBytes, formatCount, formatDistance, formatInstant } from "./format.ts";

/** What something rendered is. */
export type Markup = Child;

export type Tone = "good" | "warn" | "bad" | "plain";

/** State in words and a mark of its own: colour alone says nothing. */
export const Badge: FC<PropsWithChildren<{ tone: Tone }>> = ({ tone, children }) => (
  <span class={`badge ${tone}`}>{children}</span>
);

export const Online: FC<{ isOnline: boolean }> = ({ isOnline }) => (
  <Badge tone={isOnline ? "good" : "plain"}>{isOnline ? "online" : "offline"}</Badge>
);

const tierNames: Readonly<Record<Tier, readonly [Tone, string]>> = {
  tpm: ["good", "TPM"],
  "bound-key": ["warn", "key in a file (weaker)"],
};

/** How well an identity is kept. */
export const TierBadge: FC<{ tier: Tier }> = ({ tier }) => {
  const [tone, name] = tierNames[tier];
  return <Badge tone={tone}>{name}</Badge>;
};

/** An instant, as a distance from now; the exact one for whoever points at it, or reads the page by program. */
export const Time: FC<{ ms: number | undefined | null; nowMs: number; absent?: string }> = (
  { ms, nowMs, absent = "never" },
) =>
  ms === undefined || ms === null
    ? <span class="quiet">{absent}</span>
    : (
      <time datetime={new Date(ms).toISOString()} title={`${formatInstant(ms)} UTC`}>
        {formatDistance(ms, nowMs)}
      </time>
    );

/** An instant in full. */
export const Instant: FC<{ ms: number }> = ({ ms }) => (
  <time datetime={new Date(ms).toISOString()} title="UTC">{formatInstant(ms)}</time>
);

/** A long name, cut by the column and whole for whoever points at it. */
export const Id: FC<{ id: string; href?: string }> = ({ id, href }) =>
  href === undefined
    ? <span class="id" title={id}>{id}</span>
    : <a class="id" title={id} href={href}>{id}</a>;

export const Bytes: FC<{ bytes: number }> = ({ bytes }) => (
  <span title={`${formatCount(bytes)} bytes`}>{formatBytes(bytes)}</span>
);

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Markup;
  readonly isNumber?: boolean;
}

interface TableProps<Row> {
  /** For those who do not see which heading stands above. */
  readonly caption: string;
  /** The first one names the row. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly empty: Markup;
  /** Its columns have room on a phone. */
  readonly isSmall?: boolean;
}

/** Roles are said in full: where rows are shown as cards, browsers no longer take them for a table. */
export function Table<Row>({ caption, columns, rows, empty, isSmall }: TableProps<Row>) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  return (
    <table role="table" class={isSmall ? "small" : columns.length > 6 ? "wide" : undefined}>
      <caption class="only-read">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, isNumber }) => (
            <th role="columnheader" scope="col" class={isNumber ? "number" : undefined}>{title}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row">
            {columns.map(({ title, cell, isNumber }, at) =>
              at === 0
                ? <th role="rowheader" scope="row">{cell(row)}</th>
                : (
                  <td role="cell" data-label={title} class={isNumber ? "number" : undefined}>
                    <span>{cell(row)}</span>
                  </td>
                )
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A part of a page under its own heading. */
export const Panel: FC<PropsWithChildren<{ id: string; title: string; hint?: Markup }>> = (
  { id, title, hint, children },
) => (
  <section class="panel" aria-labelledby={`${id}-title`}>
    <header>
      <h2 id={`${id}-title`}>{title}</h2>
      {hint === undefined ? null : <p>{hint}</p>}
    </header>
    {children}
  </section>
);

/** A place whose content comes anew while the page is open. */
export const Region: FC<PropsWithChildren<{ id: string }>> = ({ id, children }) => (
  <div id={id}>{children}</div>
);

export const Facts: FC<{ facts: readonly (readonly [name: string, value: Markup])[] }> = ({ facts }) => (
  <dl class="facts">
    {facts.map(([name, value]) => (
      <>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </>
    ))}
  </dl>
);

export const Note: FC<PropsWithChildren<{ tone: Tone; isAlert?: boolean }>> = (
  { tone, isAlert, children },
) => <div class={`note ${tone}`} role={isAlert ? "alert" : undefined}>{children}</div>;

/** A form that changes something: it carries the token of the session that it was written for. */
export const ActionForm: FC<PropsWithChildren<{ action: string; csrf: string; label?: string }>> = (
  { action, csrf, label, children },
) => (
  <form method="post" action={action} aria-label={label}>
    <input type="hidden" name="csrf" value={csrf} />
    {children}
  </form>
);

export const Field: FC<
  PropsWithChildren<{ id: string; label: string; hint?: Markup; isShort?: boolean }>
> = ({ id, label, hint, isShort, children }) => (
  <div class={isShort ? "field short" : "field"}>
    <label for={id}>{label}</label>
    {children}
    {hint === undefined ? null : <span class="hint" id={`${id}-hint`}>{hint}</span>}
  </div>
);

/** A way on through many rows. */
export const Pages: FC<{ label: string; first?: string; next?: string; nextText: string }> = (
  { label, first, next, nextText },
) =>
  first === undefined && next === undefined ? null : (
    <nav class="pages" aria-label={label}>
      {first === undefined ? null : <a class="button" href={first}>To the beginning</a>}
      {next === undefined ? null : <a class="button" rel="next" href={next}>{nextText}</a>}
    </nav>
  );
