/** Failures of private channels, at their two endpoints. */
import type { ErrorFacts } from "../error.ts";

const otherEndpoint = { blame: "peer", retryable: false, exit: 4 } as const;

export const PRIVATE_ERRORS = {
  private_window_over: {
    title: "Time to open the private channel is over",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause:
      "A grant of a private channel is good for two minutes unless control is set otherwise. The handshake began later, or this machine's clock is ahead by more than 30 seconds.",
    remedy:
      "Nothing: another grant is asked for. If it keeps happening, set the clocks of both machines (NTP).",
  },
  private_clock_skew: {
    title: "Clocks of the two endpoints differ",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause: "The other endpoint of a private channel has a clock that is more than 30 seconds off this one.",
    remedy: "Set the clocks of both machines, e.g. by NTP (`timedatectl`), and connect again.",
  },
  private_pin_malformed: {
    title: "Pin is out of form",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "A pin is the fingerprint of an endpoint's key: `sha256:` and 43 characters of base64url.",
    remedy: "Take it from the other endpoint: `postern share --private` prints it when it starts.",
  },
  private_pin_mismatch: {
    title: "Other endpoint has another key than the pinned one",
    ...otherEndpoint,
    cause:
      "Somebody answered with a key that is not pinned: the other machine was set up anew, or whoever issues grants put another machine in its place.",
    remedy:
      "Ask who runs the other machine, by another way than this one, whether its fingerprint has changed; only then pin the new one.",
  },
  private_peer_mismatch: {
    title: "Other endpoint is not the one that control named",
    ...otherEndpoint,
    cause:
      "The grant names the key or the agent of the other endpoint, and another one joined with the secret of the grant.",
    remedy:
      "Connect again. If it keeps happening, somebody reads the grants of one of the two machines: find out who.",
  },
  private_identity_invalid: {
    title: "Identity of the other endpoint does not hold",
    ...otherEndpoint,
    cause:
      "The other endpoint showed a certificate or an agent's key that does not hold: untrusted, expired, revoked, or not its own.",
    remedy: "Look at the cause that is logged beside it, and at the identity of the other machine.",
  },
  private_key_malformed: {
    title: "Key file of this endpoint is damaged",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file `private.key` in the state directory does not hold the key of a private endpoint.",
    remedy:
      "Restore it from a backup; or remove it, and let those who pin this endpoint know its new fingerprint.",
  },
  private_unpaired: {
    title: "Other endpoint did not come",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause:
      "Both endpoints of a private channel have to come to the edge within the window of their grants, and the other one did not.",
    remedy: "Look at the other agent: whether it is online, and can reach the edge that its grant names.",
  },
  private_unreachable: {
    title: "No channel to the private service",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "A connection waited 15 seconds for a channel to the private service, and none came about.",
    remedy: "Look at the log of `postern connect`: it says why, and tries on.",
  },
  private_kind_mismatch: {
    title: "Private service is of another kind",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The private service speaks UDP and was asked for by a connection, or the other way round: it was shared anew as another kind, or `--stdio` was given for a udp service.",
    remedy:
      "Start `postern connect` again; it listens for what the service speaks. `--stdio` is for tcp and http services.",
  },
  private_stream_cut: {
    title: "Connection to the private service was cut",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause:
      "The one connection of `postern connect --stdio` ended before both sides had said their last byte.",
    remedy: "Look at `reason`: `origin_refused` means that nothing listens at the target of the other agent.",
  },
  private_channel_limit: {
    title: "Agent has as many private channels as it may",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause:
      "One agent serves 256 private channels at the same time, of which 64 may wait for their other endpoint.",
    remedy:
      "Close channels that nobody needs, see in the audit log who asks for channels and does not come (`channel.init`), or publish " +
      "the service by further agents.",
  },
} as const satisfies Record<string, ErrorFacts>;
