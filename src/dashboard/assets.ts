/** Files of the pages, served from memory under names that change with their content. */
import { createHash } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";
import script from "./assets/dashboard.js" with { type: "text" };
import style from "./assets/dashboard.css" with { type: "text" };
import icon from "./assets/icon.svg" with { type: "text" };

/** Path below which they are. */
export const assetsPath = "/dashboard/assets/";

export interface Asset {
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const files = {
  style: asset("dashboard", "css", "text/css; charset=utf-8", style),
  script: asset("dashboard", "js", "text/javascript; charset=utf-8", script),
  icon: asset("icon", "svg", "image/svg+xml", icon),
};

export const assetPaths = Object.freeze({
  style: files.style.path,
  script: files.script.path,
  icon: files.icon.path,
});

/** By path. */
export const assets: ReadonlyMap<string, Asset> = new Map(
  Object.values(files).map((file) => [file.path, file]),
);

function asset(name: string, ending: string, type: string, text: string): Asset {
  const bytes = utf8(text);
  const version = createHash("sha256").update(bytes).digest("base64url").slice(0, 12);
  return { path: `${assetsPath}${name}.${version}.${ending}`, type, bytes };
}
