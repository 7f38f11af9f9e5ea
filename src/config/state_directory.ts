/** Where an edge or an agent keeps its state unless told otherwise. */

/** systemd's STATE_DIRECTORY, then the XDG state directory, then the home directory, then the working directory. */
export function defaultStateDirectory(
  role: "edge" | "agent",
  env: Readonly<Record<string, string | undefined>>,
): string {
  // systemd lists several directories with colons when a unit asks for several.
  const systemd = env.STATE_DIRECTORY?.split(":")[0];
  if (systemd) return `${systemd}/${role}`;
  if (env.XDG_STATE_HOME?.startsWith("/")) return `${env.XDG_STATE_HOME}/postern/${role}`;
  if (env.HOME?.startsWith("/")) return `${env.HOME}/.local/state/postern/${role}`;
  return `.postern/${role}`;
}
