# shellcheck shell=bash
# Sourced after env.sh: a key pair, and images that real cosign signs with it, without any network but the registry.
# KEYS is the folder of the key pair.
export COSIGN_PASSWORD='' COSIGN_YES=true

new_key() {
  mkdir -p "$KEYS"
  cosign signing-config create --out "$KEYS/no-services.json"
  (cd "$KEYS" && cosign generate-key-pair >/dev/null 2>&1)
}

# sign FORM REFERENCE@DIGEST: FORM is `legacy` (a tag beside the image) or `bundle` (what cosign 3 writes).
sign() {
  local form=$1 reference=$2 flags
  case $form in
    legacy) flags=(--new-bundle-format=false --use-signing-config=false --tlog-upload=false) ;;
    bundle) flags=(--signing-config "$KEYS/no-services.json") ;;
  esac
  in_cluster cosign sign --key "$KEYS/cosign.key" --allow-http-registry "${flags[@]}" "$reference" >"$KEYS/cosign.log" 2>&1 || {
    cat "$KEYS/cosign.log" >&2
    return 1
  }
}

# policy NAME PATTERN: a policy that demands that key.
policy() {
  cat <<POLICY
apiVersion: sealgate.dev/v1alpha1
kind: ClusterSignaturePolicy
metadata:
  name: $1
spec:
  match:
    images: ["$2"]
  authorities:
    - name: ci-key
      key:
        publicKey: |
$(sed 's/^/          /' "$KEYS/cosign.pub")
POLICY
}

# pod NAME NAMESPACE IMAGE [VOLUME_IMAGE]: a pod, with an image volume where one is named.
pod() {
  cat <<POD
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: $2, labels: {run: $1}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: $3
$([ -z "${4:-}" ] || printf '      volumeMounts: [{name: files, mountPath: /files}]\n  volumes: [{name: files, image: {reference: "%s"}}]' "$4")
POD
}

# deployment NAME NAMESPACE IMAGE
deployment() {
  cat <<DEPLOYMENT
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, namespace: $2}
spec:
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "$3"}]
DEPLOYMENT
}
