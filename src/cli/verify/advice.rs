//! What to do about a code: one sentence for the person who asked.

/// What to do about a code; nothing where only the message can say.
pub(super) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "ANNOTATION_MISMATCH" => "sign again with the annotation (cosign sign -a KEY=VALUE), or ask for another value",
        "ATTESTATION_REFUSED" => {
            "read what was stated (cosign download attestation IMAGE); build it as demanded, or correct the condition"
        }
        "BAD_REFERENCE" => "write the image as registry/repository:tag or registry/repository@sha256:HEX",
        "CERTIFICATE_INVALID" => "sign again; if an own PKI issued the certificate, the reason says what it lacks",
        "DIGEST_MISMATCH" => {
            "sign what is there by its digest, and find out why a signature of something else lies here"
        }
        "DOCUMENT_LIMIT" => {
            "attest less in one document, or in several; remove what lies there and nobody needs (cosign tree IMAGE shows it)"
        }
        "IDENTITY_MISMATCH" => {
            "compare both values, byte by byte; sign from the right workflow, or ask for the identity that signed"
        }
        "IMAGE_NOT_FOUND" => {
            "check the name and the tag; some registries say this when the login may not see the image"
        }
        "LOG_INVALID" => {
            "do not trust this signature: its log entry is not its own; sign again, and find out who wrote it"
        }
        "LOG_REQUIRED" => {
            "sign without --tlog-upload=false; where a timestamp is enough, ask with --insecure-ignore-tlog or set \
             transparencyLog in the policy"
        }
        "NO_ATTESTATION" => {
            "attest it (cosign attest --type TYPE --predicate FILE IMAGE); what is there instead is listed below, if anything is"
        }
        "NO_POLICY" => "add the image to match.images of a policy, or leave --namespace out to ask all policies",
        "NO_SIGNATURE" => {
            "sign it (cosign sign IMAGE@DIGEST); if its signatures are kept elsewhere, name the place with \
             --signature-repository"
        }
        "NO_SIGNING_TIME" => "sign with a client that asks a timestamp authority, or name the trusted root that has it",
        "POLICY_ERROR" => "correct the field of the policy that the reason names",
        "REGISTRY_TLS" => {
            "for a private CA set caFile in --config; for a registry without TLS, on a network that you trust, add \
             --allow-insecure-registry"
        }
        "REGISTRY_UNAUTHORIZED" => "log in (docker login REGISTRY) or name credentials with --docker-config",
        "REGISTRY_UNREACHABLE" => "check the registry's name, port and network, then ask again",
        "REGISTRY_ERROR" | "REGISTRY_TIMEOUT" | "REGISTRY_RATE_LIMITED" | "DEADLINE_EXCEEDED" => {
            "ask again later; nothing is known about the signatures"
        }
        "SIGNATURE_INVALID" => "ask with the key that signed, or sign with the key that is asked for",
        "SIGNATURE_MALFORMED" => "sign again with a current cosign, and remove what lies there",
        "SIGNER_MISMATCH" => {
            "ask for the signer that is there: --key with the key that signed, or for a certificate \
             --certificate-identity and --certificate-oidc-issuer"
        }
        "STATIC_DENY" => "a policy refuses this image whoever signed it; use another image",
        "TIMESTAMP_INVALID" => "sign again; check the clock of the signer and which timestamp authority it asked",
        "TOO_MANY_SIGNATURES" => "remove signatures that nobody needs (cosign clean IMAGE), then sign again",
        "TRUSTED_ROOT_UNAVAILABLE" => {
            "put the TrustedRoot of that name beside the policy, or name its file with --trusted-root"
        }
        "TRUST_ROOT_MISMATCH" => {
            "another Sigstore instance made this: name its trusted root with --trusted-root FILE|github"
        }
        _ => return None,
    })
}
