/** What a tunnel is called: the first label of its public hostname, with `*.` in front the first two. */
export function publicNameOf(hostname: string): string {
  const labels = hostname.split(".");
  return labels.slice(0, labels[0] === "*" ? 2 : 1).join(".");
}
