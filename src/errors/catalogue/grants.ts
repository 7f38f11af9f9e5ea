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
