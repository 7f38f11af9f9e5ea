/** Failures of an agent on its own machine and on its way to control. */
import type { ErrorFacts } from "../error.ts";

export const AGENT_ERRORS = {
  control_unreachable: {
    title: "Control cannot be reached",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "No connection to the control plane could be made, or it broke before the answer was complete.",
    remedy:
      "Start the edge, or check the control URL, DNS, firewall, proxy and CA file; `postern diag` tries each step. The " +
      "agent keeps trying.",
  },
  control_timeout: {
    title: "Control did not answer in time",
    blame: "control",
    retryable: true,
    exit: 1,
    cause: "The control plane took longer than ten seconds to answer.",
    remedy: "Look at the control plane's load and log. The agent keeps trying.",
  },
  password_unusable: {
    title: "Password cannot be hashed",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "Standard input had no password, or one of more than 512 bytes.",
    remedy: "Give the password as the first line of standard input: `postern hash-password NAME < FILE`.",
  },
  users_file_invalid: {
    title: "File of users cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "A line of `rules.basic_auth.file` is not `NAME:HASH`, names a user twice, or there is none.",
    remedy: "Make the line with `postern hash-password NAME < FILE`, where FILE holds the password.",
  },
  rules_unsupported: {
    title: "Edge does not hold rules",
    blame: "control",
    retryable: false,
    exit: 2,
    cause:
      "The service has rules, and control did not confirm that edges hold them: it is of an older version.",
    remedy:
      "Bring the edge up to date, or take the rules out: the agent does not publish the service without them.",
  },
  control_response_invalid: {
    title: "Control's answer cannot be used",
    blame: "control",
    retryable: true,
    exit: 1,
    cause: "What answered at the control URL sent something that is not an answer of the control plane.",
    remedy: "Check the control URL: another server or a login page of a proxy may be answering there.",
  },
  control_redirected: {
    title: "Control redirects",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The control URL answers with a redirect. Agents do not follow redirects, so that a token is never sent elsewhere.",
    remedy: "Configure the final URL, usually with https:// and the right host name.",
  },
  control_refused: {
    title: "Control refused the request",
    blame: "control",
    retryable: false,
    exit: 3,
    cause: "The control plane refused the request for a reason that this version of the agent does not know.",
    remedy: "Read the message; update the agent if it is older than the control plane.",
  },
  control_unavailable: {
    title: "Control is not available at present",
    blame: "control",
    retryable: true,
    exit: 1,
    cause: "The control plane, or a proxy in front of it, answered that it cannot serve now.",
    remedy: "Nothing at first: the agent tries again, after the delay that was asked for.",
  },
  identity_malformed: {
    title: "Identity file is malformed",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file with the agent's identity key does not hold a key of this program.",
    remedy:
      "Restore the file from a backup. Deleting it makes a new identity, which tunnels pinned to the old one refuse.",
  },
  state_unwritable: {
    title: "State directory cannot be written",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The agent could not write its identity or its tunnels to the state directory.",
    remedy: "Check that the directory exists, belongs to the agent's user and has space left.",
  },
} as const satisfies Record<string, ErrorFacts>;
