import type { Context } from "hono";
import type { DashboardEnv } from "./env.ts";
import { type Frame, Page } from "./layout.tsx";
import type { LiveParts } from "./live.ts";
import { Region } from "./parts.tsx";
import { markupOf, pageOf } from "./responses.ts";
import type { View } from "./visit.ts";

/** A view as a page; or only what of it comes anew, where that was asked for. */
export function show(context: Context<DashboardEnv>, frame: Frame, view: View): Response {
  const { title, hint, parts, states = {} } = view;
  if (context.env?.onlyLive) {
    const regions = parts.filter(({ isLive }) => isLive).map(({ id, content }) => ({
      id,
      html: markupOf(content),
    }));
    return context.json({ regions, states } satisfies LiveParts);
  }
  const isLive = parts.some((part) => part.isLive);
  return context.html(pageOf(
    <Page frame={frame} title={title} hint={hint} isLive={isLive}>
      {parts.map(({ id, content }) => <Region id={id}>{content}</Region>)}
    </Page>,
  ));
}
