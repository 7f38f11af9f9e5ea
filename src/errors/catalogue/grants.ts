/** Failures of grants: of private channels that are not open yet. */
import type { ErrorFacts } from "../error.ts";

export const GRANT_ERRORS = {
  grant_malformed: {
    title: "Grant is out of form",
    blame: "control",
    retryable: false,
    exit: 1,
    cause:
      "What was given as a grant of a private channel lacks a field, has one that is too long or of another " +
      "form, or lets its endpoints come for longer than 10 minutes.",
    remedy:
      "Ask control for a channel again, and hand its grant on as it is. Where it comes from Postern's control, " +
      "check that agent and edge are of versions that go together.",
  },
  grant_wrong_role: {
    title: "Grant is for the other endpoint",
    blame: "local",
    retryable: false,
    exit: 1,
    cause:
      "Of the two grants of a private channel, the one for the client was handed to the server, or the other " +
      "way round.",
    remedy: "Use grant_client where the channel is asked for, and grant_server where the service is.",
  },
  grant_expired: {
    title: "Grant is over",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause:
      "The window in which both endpoints have to come to a private channel, 2 minutes unless configured, has " +
      "passed, or this machine's clock is ahead of control's.",
    remedy: "Ask for a new channel. If that does not help, check the clock of this machine (NTP).",
  },
  grant_suite_unknown: {
    title: "No suite of the grant is known",
    blame: "local",
    retryable: false,
    exit: 1,
    cause: "The grant allows only handshakes that this version of Postern does not have.",
    remedy: "Upgrade this endpoint, or let control allow a suite that it knows.",
  },
  grant_limit_reached: {
    title: "Too many private channels are not open yet",
    blame: "peer",
    retryable: true,
    status: 429,
    exit: 1,
    cause: "The owner has asked for as many private channels as may wait for their endpoints " +
      "(`private_channels.max_pending_per_owner`, 256 by default; 16 to one service of somebody else), or has had the grants of one channel issued again 8 times.",
    remedy:
      "Wait until channels are open or their window is over, 2 minutes by default; ask for a new channel rather " +
      "than for the same grants again.",
  },
  pending_grants_full: {
    title: "Control has no room for another private channel",
    blame: "control",
    retryable: true,
    status: 503,
    exit: 1,
    cause:
      "10,000 private channels were asked for within the time that their endpoints have, by all owners together.",
    remedy: "Try again in a minute. Look at `postern_grants_total` for who asks that often.",
  },
  channel_id_taken: {
    title: "A private channel of this id is waited for",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "The request names the id of a channel to the same owner's services whose window is not over.",
    remedy:
      "Leave `channel_id` out, so that control makes one; to have the grants of that channel again, reissue them.",
  },
  grant_unknown: {
    title: "No channel of yours waits under this id",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 1,
    cause:
      "Grants were to be issued again for a channel that nobody asked for, that somebody else asked for, that is " +
      "another one than the reissue token is for, whose window is over, or that you may not open any more. They are " +
      "told apart for nobody.",
    remedy: "Ask for a new channel.",
  },
  grant_reissued: {
    title: "Grants were issued again by another request",
    blame: "peer",
    retryable: true,
    status: 409,
    exit: 1,
    cause:
      "Two requests had the grants of one channel issued again at the same time. One of them has the tokens that " +
      "count.",
    remedy: "Use the grant that the other request got, or ask once more.",
  },
  private_service_unknown: {
    title: "There is no private service of this name for you",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 1,
    cause:
      "No private service has this name under this owner, or its owner has not let you in. Both get the same " +
      "answer, so that names cannot be tried out.",
    remedy:
      "Check the name: `NAME` for a service of your own, `OWNER/NAME` for another's. Its owner lets you in by " +
      "`services[].connect`.",
  },
  private_service_offline: {
    title: "No agent serves the private service",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The service is known, and no agent that shares it has a channel to an edge at the moment.",
    remedy: "Start its agent, or look at its log for why it is not connected; then try again.",
  },
  private_offer_refused: {
    title: "The service's agent does not take the channel",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause:
      "The agent that shares the service was asked to come to a channel, and said no: it has as many as it may, or " +
      "cannot use the grant. The detail names its code.",
    remedy: "Try again later; look for the code in the log of the agent.",
  },
  private_offer_timeout: {
    title: "The service's agent does not answer",
    blame: "peer",
    retryable: true,
    status: 504,
    exit: 1,
    cause:
      "The agent that shares the service was asked to come to a channel, and said nothing for 5 seconds.",
    remedy: "Try again. If it stays, look at the load and the network of the agent's machine.",
  },
  private_offer_limit: {
    title: "Agent answers no offers",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many private channels as an agent may be offered at the same time wait for its answer.",
    remedy: "Try again in some seconds. If it stays, look at the log of the agent that shares the service.",
  },
} as const satisfies Record<string, ErrorFacts>;
