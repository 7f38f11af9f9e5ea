/** Failures of what control and edge remember. */
import type { ErrorFacts } from "../error.ts";

export const STORE_ERRORS = {
  audit_broken: {
    title: "Audit log does not hold",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause: "A line of the audit log was changed, removed, inserted or moved after it had been written.",
    remedy: "Treat it as an incident: keep the database as it is, and compare it with an earlier export. " +
      "Lines before the one that is named still hold.",
  },
  audit_export_malformed: {
    title: "File is no export of the audit log",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file cannot be read, or a line of it is not what `postern audit export` writes.",
    remedy: "Name a file that `postern audit export --out FILE` has written.",
  },
  audit_export_exists: {
    title: "Export would overwrite a file",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "There is a file at the path that the export was to be written to.",
    remedy: "Name another file, or move the old one away.",
  },
  store_unavailable: {
    title: "Store cannot be opened",
    blame: "operator",
    retryable: false,
    status: 503,
    exit: 1,
    cause: "The database file in the state directory could not be opened or made, or is no database.",
    remedy: "Check that the state directory exists, belongs to this user, and has free space.",
  },
  database_url_invalid: {
    title: "Database URL cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file of `database_url_file` holds no URL of a PostgreSQL database.",
    remedy: "Write one line into it: postgresql://USER:PASSWORD@HOST/DATABASE.",
  },
  store_unreachable: {
    title: "Database server does not answer",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "No connection to the PostgreSQL server could be made, or it was cut.",
    remedy: "Check that the server runs and can be reached from here. Requests are refused meanwhile; " +
      "channels that stand go on, and all is tried again by itself.",
  },
  store_too_new: {
    title: "Store was written by a newer version",
    blame: "operator",
    retryable: false,
    status: 503,
    exit: 1,
    cause: "The database has a layout that this version does not know; writing to it could damage it.",
    remedy: "Run the newer version, or restore a backup of the state directory from before the upgrade.",
  },
  store_busy: {
    title: "Store is busy",
    blame: "local",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "Another process held the database for longer than 2 seconds (SQLite) or 5 (PostgreSQL).",
    remedy: "Try again. If it repeats, look for a second process or a backup that holds the database.",
  },
  store_failed: {
    title: "Store failed",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The database refused an operation: the disk is full or broken, or the store was closed.",
    remedy: "Check the disk of the state directory and the log line with the same request id.",
  },
  replay_cache_full: {
    title: "No room to remember used tokens",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many single-use tokens as can be remembered are still within their lifetime. New ones are " +
      "refused, because forgetting one would let it be used twice.",
    remedy: "Try again after a minute. If it repeats, look for a client that asks for tokens in a loop.",
  },
  challenge_limit_reached: {
    title: "Token or owner has too many open challenges",
    blame: "peer",
    retryable: true,
    status: 429,
    exit: 1,
    cause:
      "Four attestation challenges of one stage 0 token wait for their answer; one is enough to open a channel. Or " +
      "4096 of one owner do, of all anonymous tunnels together: what others may have is kept for them.",
    remedy: "Answer the challenges that are open, or ask for a new token. Agents of this program do.",
  },
  node_rules_full: {
    title: "No room for another rule of nodes",
    blame: "operator",
    retryable: false,
    status: 409,
    exit: 2,
    cause: "There are 1,000 rules of which tunnelers may come to which connectors already.",
    remedy:
      "Take rules away with `postern nodes disallow`, or put them together: a rule may name nodes by a label, or with `*`.",
  },
  revocations_full: {
    title: "No room to remember revocations",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause:
      "As many revoked tokens as can be remembered are still within their lifetime, of this owner or of all. " +
      "Nothing was revoked: a revocation is never accepted and then forgotten.",
    remedy:
      "Revoke the owner, which takes one place for all of its tokens: `postern token revoke --owner NAME`. If it " +
      "repeats, look for a client that gives tokens back in a loop.",
  },
  challenges_full: {
    title: "Too many open challenges",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many attestation challenges as can be kept are waiting for their answer.",
    remedy: "Try again after 30 seconds. If it repeats, look for a client that asks without answering.",
  },
} as const satisfies Record<string, ErrorFacts>;
