/** Failures of releases and upgrades. */
import type { ErrorFacts } from "../error.ts";

const distrusted = { blame: "peer", retryable: false, exit: 3 } as const;
const unsuited = { blame: "operator", retryable: false, exit: 1 } as const;
/** A later attempt finds another manifest, or more machines taken in. */
const later = { blame: "operator", retryable: true, exit: 5 } as const;

const publish = "Publish a manifest that is made with `deno task release:sign`.";
const suspect =
  "Nothing was changed. Fetch the files again; if that does not help, ask whoever publishes the releases.";

export const RELEASE_ERRORS = {
  release_manifest_malformed: {
    title: "Release manifest cannot be read",
    ...distrusted,
    cause: "The file is no signed manifest: no JSON, too long, or a field is missing or wrong.",
    remedy: publish,
  },
  release_key_malformed: {
    title: "Release key cannot be read",
    ...unsuited,
    exit: 2,
    cause: "The file of `upgrade.key_file` or `--key-file` does not hold Ed25519 public keys in PEM.",
    remedy: "Write it with `openssl pkey -in KEY -pubout`.",
  },
  release_key_unknown: {
    title: "Release is signed by a key that is not pinned",
    ...distrusted,
    cause:
      "None of the signatures is by a key of `upgrade.key_file`, or of a key that such a key named as its successor.",
    remedy:
      "Check where the manifest comes from. When the key was changed, go through the release that names the new one.",
  },
  release_signature_invalid: {
    title: "Release signature does not hold",
    ...distrusted,
    cause: "The manifest was changed after it was signed, or the signature was.",
    remedy: suspect,
  },
  release_other_channel: {
    title: "Release is of another channel",
    ...unsuited,
    cause: "The manifest is for another channel than `upgrade.channel`.",
    remedy: "Correct `upgrade.channel` or `upgrade.manifest_url`.",
  },
  release_expired: {
    title: "Release manifest has expired",
    ...later,
    exit: 1,
    cause: "The manifest is too old to tell what is current: somebody may hold back a newer one.",
    remedy: "Sign the manifest again with a later end, and check the clock of this machine.",
  },
  release_from_future: {
    title: "Release manifest is from the future",
    ...later,
    exit: 1,
    cause: "The manifest was made more than ten minutes later than it is here.",
    remedy: "Check the clocks of this machine and of the one that signs.",
  },
  release_replayed: {
    title: "Release manifest is older than one taken before",
    ...distrusted,
    cause: "A manifest that was made later has been taken here. An old one may have been put in its place.",
    remedy: "Publish the newest manifest. To go back on purpose, set `upgrade.pin`.",
  },
  release_not_pinned: {
    title: "Machine is pinned to another version",
    ...later,
    cause: "`upgrade.pin` names the only version that is taken.",
    remedy: "Remove or change `upgrade.pin`, or publish that version.",
  },
  release_downgrade: {
    title: "Release is older than what runs",
    ...unsuited,
    cause: "The manifest is for an older version than the one that runs here.",
    remedy: "To go back on purpose, set `upgrade.pin` to that version.",
  },
  release_too_far: {
    title: "Release needs a newer version to start from",
    ...unsuited,
    cause: "The version that runs here is older than the manifest's `minimum_previous`.",
    remedy: "Upgrade to a version in between first.",
  },
  release_platform_missing: {
    title: "Release has no file for this platform",
    ...unsuited,
    cause: "The manifest names no file for the target of this machine (`postern version` tells it).",
    remedy: "Publish a file for this platform.",
  },
  release_not_in_rollout: {
    title: "Release is not for this machine yet",
    ...later,
    cause:
      "The release is given to a part of the machines by percentage or label, and this is not one of them. A machine whose id " +
      "cannot be told, because nothing runs on it, gets what is for all.",
    remedy: "Wait until the rollout grows, or set `upgrade.pin` to take it now.",
  },
  upgrade_not_configured: {
    title: "Upgrades are not configured",
    ...unsuited,
    exit: 2,
    cause: "No manifest or no key is named: nothing is fetched unless both are.",
    remedy: "Set `upgrade.manifest_url` and `upgrade.key_file`, or give --manifest and --key-file.",
  },
  upgrade_source_refused: {
    title: "Place of the release is not taken",
    ...unsuited,
    exit: 2,
    cause: "Releases come by https, or from a file; by http from this machine only.",
    remedy: "Correct `upgrade.manifest_url` or --manifest.",
  },
  upgrade_unreachable: {
    title: "Release cannot be fetched",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The server does not answer in time, refuses, or has no such file; a file cannot be read.",
    remedy: "Check the address, and that everything of the release was published.",
  },
  upgrade_file_too_large: {
    title: "File of the release is too large",
    ...distrusted,
    cause: "The server sent more bytes than the manifest says.",
    remedy: suspect,
  },
  upgrade_file_truncated: {
    title: "File of the release ends early",
    ...distrusted,
    retryable: true,
    cause: "The server sent fewer bytes than the manifest says.",
    remedy: suspect,
  },
  upgrade_file_altered: {
    title: "File of the release is another one",
    ...distrusted,
    cause: "The SHA-256 of what was fetched is not the one that was signed.",
    remedy: suspect,
  },
  upgrade_write_failed: {
    title: "Upgrade cannot be written",
    blame: "local",
    retryable: true,
    exit: 1,
    cause: "There is no space left, or this user may not write beside the program. What runs goes on to run.",
    remedy: "Make room, or run the command as the user that owns the program's directory.",
  },
  upgrade_busy: {
    title: "Another upgrade is under way",
    blame: "local",
    retryable: true,
    exit: 5,
    cause: "Another process holds the lock beside the program.",
    remedy: "Wait until it has ended.",
  },
  upgrade_program_unknown: {
    title: "Program to upgrade is not known",
    ...unsuited,
    exit: 2,
    cause: "Postern runs from its sources here, not from a single file.",
    remedy: "Name the file with --program.",
  },
  upgrade_not_permitted: {
    title: "Program may not start others",
    ...unsuited,
    cause: "The new program has to be started to be tried, and this one was built without the right to.",
    remedy: "Use an executable of `deno task compile --launcher`, or install the file by hand.",
  },
  upgrade_program_unusable: {
    title: "New program does not start",
    ...distrusted,
    cause:
      "The new file does not run here, or says another version than the manifest. The program is as it was.",
    remedy: "Ask whoever publishes the releases for a file that is built for this machine.",
  },
  upgrade_failed_before: {
    title: "This release did not become ready here before",
    ...later,
    cause: "The same file was tried, did not become ready, and was taken back.",
    remedy: "Publish a corrected release; --force tries this one once more.",
  },
  upgrade_rolled_back: {
    title: "New version did not become ready and was taken back",
    blame: "local",
    retryable: false,
    exit: 1,
    cause:
      "After the restart the new version did not answer as ready in time. The previous one is in place and runs again.",
    remedy: "Read the log of the service from that time.",
  },
  upgrade_rollback_unready: {
    title: "Previous version is in place but not ready",
    blame: "local",
    retryable: false,
    exit: 1,
    cause: "The new version did not become ready; neither did the previous one after it was put back.",
    remedy: "Look at the service now: the failure is not the program's alone.",
  },
  upgrade_no_previous: {
    title: "There is no previous program",
    ...unsuited,
    cause: "Nothing was upgraded here, so there is nothing to go back to.",
    remedy: "Pin the version that you want with `upgrade.pin` and apply it.",
  },
  upgrade_restart_missing: {
    title: "Upgrade does not know how to restart the service",
    ...unsuited,
    exit: 2,
    cause: "A new version counts once it runs and is ready, and no command is named that starts it.",
    remedy: "Set `upgrade.restart`, such as `systemctl restart postern-agent`.",
  },
} as const satisfies Record<string, ErrorFacts>;
