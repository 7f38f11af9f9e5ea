/** Failures of node identities: certificates, requests, trust bundles, revocation lists. */
import type { ErrorFacts } from "../error.ts";

const refused = { blame: "peer", retryable: false, status: 403, exit: 3 } as const;
const unreadable = { blame: "peer", retryable: false, status: 400, exit: 3 } as const;
const later = { blame: "peer", retryable: true, status: 403, exit: 3 } as const;

const otherIssuer =
  "The certificate was not made by this cluster's control plane. Nobody legitimate has one: look for who connects.";

export const PKI_ERRORS = {
  spiffe_id_malformed: {
    title: "SPIFFE id is malformed",
    ...unreadable,
    cause:
      "An id is not `spiffe://<trust domain>/<role>/<id>` with a role of edge, connector, tunneler or control, " +
      "a lower-case trust domain and an id of 1 to 64 letters, digits and `._-`.",
    remedy: "Correct the id.",
  },
  peer_certificate_missing: {
    title: "Peer showed no certificate",
    ...refused,
    cause: "A node connected without a client certificate, where mutual TLS is demanded.",
    remedy: "Enroll the node, so that it has an identity.",
  },
  peer_certificate_malformed: {
    title: "Peer's certificate cannot be read",
    ...unreadable,
    cause: "A node's certificate is no X.509 certificate of version 3 in DER, or something follows it.",
    remedy: otherIssuer,
  },
  peer_key_unsupported: {
    title: "Key of the peer's certificate is of another kind",
    ...unreadable,
    cause: "Nodes and their authorities have keys of P-256.",
    remedy: otherIssuer,
  },
  peer_chain_too_long: {
    title: "Peer showed too many certificates",
    ...refused,
    cause: "A node shows its own certificate and that of its issuing CA; more than four are not read.",
    remedy: "Let the node show its own chain only.",
  },
  peer_names_wrong: {
    title: "Peer's certificate does not name one node",
    ...refused,
    cause:
      "A node's certificate has exactly one subject alternative name, which is a URI. This one has none, several, " +
      "or names of other kinds; a common name counts for nothing.",
    remedy: otherIssuer,
  },
  peer_wrong_cluster: {
    title: "Peer is of another cluster",
    ...refused,
    cause: "The trust domain in the peer's id is not the one of this cluster.",
    remedy: "Check which control plane the node was enrolled at, and `trust_domain` of both.",
  },
  peer_extension_unknown: {
    title: "Peer's certificate has a critical extension that is not known",
    ...refused,
    cause: "The certificate demands what is not understood here.",
    remedy: otherIssuer,
  },
  peer_certificate_is_ca: {
    title: "Peer's certificate is an authority's",
    ...refused,
    cause: "A node showed a certificate that may sign others.",
    remedy: otherIssuer,
  },
  peer_key_usage_wrong: {
    title: "Peer's key is not for signatures",
    ...refused,
    cause: "The certificate's key usage lacks digitalSignature.",
    remedy: otherIssuer,
  },
  peer_extended_usage_wrong: {
    title: "Peer's certificate is for another use",
    ...refused,
    cause: "The certificate is not for this side of a TLS connection (client or server).",
    remedy: otherIssuer,
  },
  peer_certificate_not_yet_valid: {
    title: "Peer's certificate is not valid yet",
    ...later,
    cause: "The certificate begins later than now, by more than the clocks of nodes may differ.",
    remedy: "Set the clocks of both machines, by NTP for instance.",
  },
  peer_certificate_expired: {
    title: "Peer's certificate has expired",
    ...later,
    cause: "The certificate's time is over, by more than the clocks of nodes may differ.",
    remedy: "Look into the node's log for why it was not renewed, and at the clocks of both machines.",
  },
  peer_chain_untrusted: {
    title: "Peer's certificate is of no trusted issuer",
    ...later,
    cause:
      "No issuing CA in the trust bundle that is held here issued the certificate, or its root is not in it.",
    remedy:
      "After a rotation the newer bundle has to arrive here first, which it does by itself. Otherwise: " +
      otherIssuer,
  },
  peer_signature_invalid: {
    title: "Peer's certificate is forged",
    ...refused,
    cause: "The certificate names an issuing CA of this cluster, whose key did not sign it.",
    remedy: otherIssuer,
  },
  peer_issuer_retired: {
    title: "Issuer of the peer's certificate does not count now",
    ...refused,
    cause: "The issuing CA or the root was retired by a rotation, or counts from a later time on.",
    remedy: "Let the node renew its certificate; when it was off for long, enroll it anew.",
  },
  peer_issuer_invalid: {
    title: "Issuer of the peer's certificate cannot be used",
    ...refused,
    cause:
      "The certificate of the issuing CA or of the root has expired, begins later, or demands what is not known.",
    remedy: "Rotate the authorities with `postern ca rotate`.",
  },
  peer_certificate_revoked: {
    title: "Peer's certificate was revoked",
    ...refused,
    cause: "The certificate, its key, its node or its issuer is on the revocation list.",
    remedy: "If the node is to come back, enroll it anew with another key, under an id that is not revoked.",
  },
  peer_wrong_role: {
    title: "Peer has another role",
    ...refused,
    cause:
      "The certificate is that of a node of this cluster, but of another role than this connection is for.",
    remedy: "Check which address the node connects to, and with which role it was enrolled.",
  },
  peer_wrong_node: {
    title: "Peer is another node",
    ...refused,
    cause: "The certificate is that of another node than the one that was expected.",
    remedy: "Check the address: another node answers there.",
  },
  peer_policy_denied: {
    title: "Policy does not let the peer in",
    ...refused,
    cause:
      "The certificate holds, but the relationship of the two nodes is not approved, or could not be judged.",
    remedy:
      "Approve it, if it is wanted: `postern nodes allow --connector ID --tunneler ID`. The audit of control names both.",
  },
  revocations_stale: {
    title: "Revocation list is too old",
    blame: "control",
    retryable: true,
    status: 503,
    exit: 3,
    cause:
      "There was no new revocation list for so long that nobody can tell whether a certificate was revoked since.",
    remedy: "Check that this node reaches its control plane, and the clocks of both.",
  },
  revocations_malformed: {
    title: "Revocation list cannot be read",
    blame: "control",
    retryable: true,
    exit: 3,
    cause: "The revocation list is not in its format.",
    remedy: "Check that node and control plane run compatible versions.",
  },
  revocations_unproven: {
    title: "Revocation list is not signed",
    blame: "control",
    retryable: true,
    exit: 3,
    cause: "No issuing CA of the trust bundle that is held here signed the revocation list.",
    remedy:
      "After a rotation the newer trust bundle has to arrive first. Otherwise somebody forged the list.",
  },
  revocations_rollback: {
    title: "Revocation list is older than the held one",
    blame: "control",
    retryable: true,
    exit: 3,
    cause: "Somebody offers a revocation list that was replaced.",
    remedy: "Check that all controls share one database, and what is between node and control plane.",
  },
  trust_bundle_malformed: {
    title: "Trust bundle cannot be read",
    blame: "control",
    retryable: false,
    exit: 3,
    cause: "The trust bundle is not in its format, or its authorities do not belong together.",
    remedy: "Check that node and control plane run compatible versions.",
  },
  trust_bundle_unproven: {
    title: "Trust bundle is not signed by who is trusted",
    blame: "control",
    retryable: false,
    exit: 3,
    cause:
      "The trust bundle is signed neither by an authority of the one that is held nor by the pinned bootstrap CA.",
    remedy:
      "Check that the token and the address are of the same control plane. A node that was off for very long " +
      "is enrolled anew.",
  },
  trust_bundle_foreign: {
    title: "Trust bundle is of another cluster",
    blame: "control",
    retryable: false,
    exit: 3,
    cause: "The trust domain of the bundle is not the one that this node was enrolled in.",
    remedy: "Check the address of the control plane.",
  },
  trust_bundle_rollback: {
    title: "Trust bundle is older than the held one",
    blame: "control",
    retryable: true,
    exit: 3,
    cause: "Somebody offers a trust bundle that was replaced.",
    remedy: "Check that all controls share one database, and what is between node and control plane.",
  },
  csr_oversized: {
    title: "Certificate request is too large",
    ...unreadable,
    cause: "A certificate request has more than 2,048 bytes.",
    remedy: "Request a certificate for a P-256 key, without further attributes.",
  },
  csr_malformed: {
    title: "Certificate request cannot be read",
    ...unreadable,
    cause: "A certificate request is no PKCS #10 request in DER.",
    remedy: "Send the request in DER, as base64url.",
  },
  csr_key_unsupported: {
    title: "Key of the certificate request is of another kind",
    ...unreadable,
    cause: "Nodes have keys of P-256.",
    remedy: "Make a P-256 key.",
  },
  csr_proof_invalid: {
    title: "Certificate request proves no key",
    ...unreadable,
    cause: "The request is not signed by the key that it names: whoever sent it may not hold that key.",
    remedy: "Sign the request with its own key, by ECDSA with SHA-256.",
  },
  csr_name_mismatch: {
    title: "Certificate request asks for another name",
    ...unreadable,
    cause: "The request names another node than the one that its token or certificate is for.",
    remedy: "Ask for no name, or for the node's own: which node it is, control decides by the token.",
  },
  identity_expired: {
    title: "Identity of the node is over",
    ...refused,
    cause:
      "The node's certificate ended longer ago than `identity.grace`: its key does not renew it any more.",
    remedy:
      "Enroll the node anew: `postern enroll-token --role ROLE --id ID --out FILE`, and bring the file to it.",
  },
  identity_superseded: {
    title: "Identity of the node was replaced",
    ...refused,
    cause:
      "The node was enrolled anew, or renewed with another key since: this copy of its identity counts no more.",
    remedy:
      "If the node was not enrolled elsewhere on purpose, somebody has a copy of its state directory: revoke the " +
      "node's key, and enroll it anew.",
  },
  identity_unknown: {
    title: "Node is not known",
    ...refused,
    cause: "No node of this role and id is enrolled here.",
    remedy: "Check the address of the control plane, or enroll the node.",
  },
  identity_limit_reached: {
    title: "Too many nodes",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 3,
    cause: "As many nodes as may be (`limits.max_nodes`) are enrolled.",
    remedy: "Raise `limits.max_nodes`.",
  },
  renewal_nonce_invalid: {
    title: "Nonce of the renewal does not count",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 3,
    cause: "The nonce is not of this control plane, is older than a minute, or was used before.",
    remedy: "Ask for another one and prove that: agents do so by themselves. Check the clock if it repeats.",
  },
  renewal_proof_invalid: {
    title: "Renewal proves no key",
    ...refused,
    cause: "The proof was not made by the key of the certificate that is to be renewed.",
    remedy: "Look for who asks: the certificate is public, its key is not.",
  },
  identity_exists: {
    title: "Node has an identity already",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The state directory holds the identity of a node that was enrolled before.",
    remedy: "Use another state directory, or give the old identity up with `postern enroll --force`.",
  },
  identity_file_malformed: {
    title: "Identity of the node cannot be read",
    blame: "local",
    retryable: false,
    exit: 1,
    cause: "The file `identity.json` in the state directory is damaged.",
    remedy:
      "Remove it and enroll the node anew, or restore it from a backup that is younger than `identity.grace`.",
  },
  identity_answer_refused: {
    title: "Control issued a certificate for something else",
    blame: "control",
    retryable: false,
    exit: 3,
    cause: "The certificate in control's answer is for another key or another node than the one that asked.",
    remedy: "Check what is between node and control plane, and that both run compatible versions.",
  },
  ca_certificate_refused: {
    title: "Certificate is not that of an issuing CA of this cluster",
    blame: "operator",
    retryable: false,
    status: 400,
    exit: 3,
    cause:
      "The certificate that is imported was not signed by a root that counts, is not for the key that waits at this control, is " +
      "of a key that is in the trust bundle already, or is no authority for nodes. The message says which.",
    remedy:
      "Sign the request of `postern ca request` of this very control with `postern ca sign`, where the root's key is, and import " +
      "what that writes.",
  },
  ca_expires_soon: {
    title: "An authority of nodes ends soon",
    blame: "operator",
    retryable: false,
    cause:
      "A root, an issuing CA or the whole trust bundle ends within `identity.expiry_warning`. Nothing renews it by itself.",
    remedy:
      "Rotate it: `postern ca rotate --apply` (`--root` for a root), or `postern ca request` where the root's key is offline. " +
      "`postern ca show` tells what ends when.",
  },
  ca_expired: {
    title: "An authority of nodes has ended",
    blame: "operator",
    retryable: false,
    cause:
      "A root, an issuing CA or the whole trust bundle is over: nodes do not believe certificates under it any more.",
    remedy:
      "Rotate it now: `postern ca rotate --apply`. Nodes whose root is over have to be enrolled again with new tokens.",
  },
  ca_unavailable: {
    title: "Control plane cannot issue certificates",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 3,
    cause: "The control plane that was asked has no key of an issuing CA in `STATE/ca`.",
    remedy:
      "Copy the directory `ca` of another control plane of this cluster (its root key may stay behind), and start " +
      "this one again. Nodes ask the next address of their list meanwhile.",
  },
  ca_rotation_running: {
    title: "Authorities are being rotated already",
    blame: "operator",
    retryable: true,
    status: 409,
    exit: 1,
    cause: "One rotation of authorities is under way in the cluster: there is one at a time.",
    remedy: "Look at it with `postern ca show`, and start the next one when it is over.",
  },
  ca_root_offline: {
    title: "Key of the root is not here",
    blame: "operator",
    retryable: false,
    status: 409,
    exit: 1,
    cause:
      "A new issuing CA is signed by the root, whose key is not in `STATE/ca` of the control that was asked.",
    remedy: "Put `root-*.key` back into `STATE/ca` (mode 600), rotate, and take it away again.",
  },
  ca_state_unusable: {
    title: "Authorities cannot be used",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "What the database or `STATE/ca` holds of the authorities is damaged, or is of another `trust_domain`.",
    remedy:
      "Set `trust_domain` to what the message names, or restore database and directory from one backup.",
  },
} as const satisfies Record<string, ErrorFacts>;
