# shellcheck shell=bash
# Sourced after env.sh: a whole node, and what a release of the chart needs there.

# release_node: starts a node, pushes the image of the program (that of the OCI layout SEALGATE_IMAGE, else one that is built) and
# makes the namespaces `sealgate`, which the API server holds to the security level restricted (CFG-13), and `apps`.
release_node() {
  "$HERE/down.sh" wipe
  "$HERE/up.sh" node
  if [ -z "${SEALGATE_IMAGE:-}" ]; then "$HERE/../../scripts/image.sh" >/dev/null; fi
  in_cluster crane push --insecure "${SEALGATE_IMAGE:-$HERE/../../dist/image}" "$NODE_IP:5000/sealgate:test" >/dev/null
  in_cluster kubectl create namespace apps >/dev/null
  in_cluster kubectl create namespace sealgate >/dev/null
  in_cluster kubectl label namespace sealgate pod-security.kubernetes.io/enforce=restricted >/dev/null
  wait_for in_cluster kubectl get serviceaccount default -n apps
}

# release_values REGISTRY...: writes the values of the release to $STATE/values.yaml; these registries speak plain http.
release_values() {
  local host
  echo "image: {repository: $NODE_IP:5000/sealgate, tag: test}"
  echo "config:"
  echo "  registries:"
  for host in "$@"; do echo "    - {host: \"$host\", plainHttp: true, allowPrivateAddress: true}"; done
} >"$STATE/values.yaml"
