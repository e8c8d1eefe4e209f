#!/bin/bash
# chart-test.sh [helm|helm4]: installs the chart on a whole node, as root, and holds it to what the product promises.
# Each check prints one line; the last line counts them. KEEP=1 leaves the cluster running; SEALGATE_IMAGE=DIRECTORY tests the
# image of that OCI layout instead of building one.
set -uo pipefail
. "$(dirname "$0")/env.sh"
helm=${1:-helm}
export KEYS=$STATE/keys
. "$HERE/signing.sh"
. "$HERE/release.sh"
cd "$HERE/../.." || exit 1
registry=$NODE_IP:5000
passed=0 failed=0
out=$(mktemp)

k() { in_cluster kubectl "$@"; }

pass() { passed=$((passed + 1)); echo "ok      $1"; }
miss() { failed=$((failed + 1)); echo "FAILED  $1"; sed 's/^/        | /' "$out" | head -n 20; }

# works WHAT COMMAND...: the command succeeds (given 60 s where WHAT begins with "soon").
works() {
  local what=$1
  shift
  case $what in
    soon*) for _ in $(seq 300); do "$@" >"$out" 2>&1 && break; sleep 0.2; done ;;
  esac
  if "$@" >"$out" 2>&1; then pass "$what"; else miss "$what"; fi
}

# refused WHAT PATTERN COMMAND...: the command fails and says so.
refused() {
  local what=$1 pattern=$2
  shift 2
  if "$@" >"$out" 2>&1; then
    echo "(it succeeded)" >>"$out"
    miss "$what"
  elif grep -Eq "$pattern" "$out"; then
    pass "$what"
  else
    echo "(it does not say $pattern)" >>"$out"
    miss "$what"
  fi
}

# denied WHAT IMAGE COMMAND...: the command fails, and sealgate says that the image is not signed and how to reproduce it.
denied() { refused "$1" "webhook .*sealgate.dev.*$2.*NO_SIGNATURE.*sealgate verify" "${@:3}"; }

# same WHAT EXPECTED FOUND
same() {
  if [ "$2" = "$3" ]; then pass "$1"; else printf 'expected: %s\nfound:    %s\n' "$2" "$3" >"$out"; miss "$1"; fi
}

create() { k create -f - <<<"$1"; }
try() { k create --dry-run=server -f - <<<"$1"; }
running() { k wait --for=condition=Ready "pod/$1" -n "${2:-apps}" --timeout=60s; }
ready_gate() { k rollout status deployment/sealgate -n sealgate --timeout=120s; }
failure_policies() {
  k get validatingwebhookconfiguration,mutatingwebhookconfiguration sealgate \
    -o jsonpath='{range .items[*].webhooks[*]}{.name}={.failurePolicy}{"\n"}{end}' | sort
}
gate_is() { failure_policies | grep -q "^validate.pods.sealgate.dev=$1$"; }
webhooks_are_empty() { [ -z "$(failure_policies)" ]; }

cluster() {
  (set -e; release_node) || exit 1
  new_key
  legacy=$registry/apps/legacy:v1 bundle=$registry/apps/bundle:v1 unsigned=$registry/apps/unsigned:v1
  legacy_digest=$("$HERE/image.sh" $legacy "$BIN/pause" legacy) && sign legacy "$legacy_digest" || exit 1
  bundle_digest=$("$HERE/image.sh" $bundle "$BIN/pause" bundle) && sign bundle "$bundle_digest" || exit 1
  "$HERE/image.sh" $unsigned "$BIN/pause" unsigned >/dev/null || exit 1
  legacy_pinned=$legacy@${legacy_digest#*@}
  bundle_pinned=$bundle@${bundle_digest#*@}
  for name in older older-debugged; do create "$(pod $name apps $unsigned)" >/dev/null; done
  release_values "$registry"
}

installs() {
  works "install, with two replicas ready" \
    in_cluster "$helm" install sealgate charts/sealgate -n sealgate -f "$STATE/values.yaml" --wait --timeout 120s
  # row: CFG-13 the API server holds the release to the level restricted
  same "the gate runs twice, under the security level restricted (CFG-13)" 2 \
    "$(k get pods -n sealgate -l app.kubernetes.io/component=gate -o name | wc -l)"
  works "soon the webhooks are filled in" gate_is Ignore
  works "without a policy an unsigned pod is admitted" try "$(pod fresh apps $unsigned)"
  works "helm test" in_cluster "$helm" test sealgate -n sealgate --timeout 60s
}

refuses_and_admits() {
  k apply -f - >/dev/null <<<"$(policy ci-images "$registry/apps/**")"
  works "soon the policy is Ready" k wait --for=condition=Ready csigpol/ci-images --timeout=1s
  works "soon the gate fails closed" gate_is Fail
  denied "soon an unsigned pod is refused, in words" "$unsigned" until_refused "$(pod unsigned apps $unsigned)"
  works "a pod signed in the legacy form is admitted" create "$(pod legacy apps $legacy)"
  works "a pod signed in cosign 3's form is admitted" create "$(pod bundle apps $bundle)"
  same "the first is pinned to its digest" "$legacy_pinned" "$(k get pod legacy -n apps -o jsonpath='{.spec.containers[0].image}')"
  same "the second is pinned to its digest" "$bundle_pinned" "$(k get pod bundle -n apps -o jsonpath='{.spec.containers[0].image}')"
  works "the first runs" running legacy
  works "the second runs" running bundle

  denied "kubectl debug with an unsigned image is refused" "$unsigned" \
    k debug legacy -n apps --image=$unsigned --container=debug-unsigned
  works "kubectl debug with a signed image is admitted" k debug legacy -n apps --image=$bundle --container=debug-signed
  same "and pinned" "$bundle_pinned" "$(k get pod legacy -n apps -o jsonpath='{.spec.ephemeralContainers[0].image}')"

  denied "an unsigned image volume is refused" "$unsigned" try "$(pod volume apps $legacy $unsigned)"
  works "a signed image volume is admitted" create "$(pod volume apps $legacy $bundle)"
  same "and pinned" "$bundle_pinned" "$(k get pod volume -n apps -o jsonpath='{.spec.volumes[0].image.reference}')"

  denied "a Deployment with an unsigned image is refused at apply" "$unsigned" create "$(deployment web apps $unsigned)"
  works "a Deployment with a signed image is admitted" create "$(deployment web apps $legacy)"
  same "its template is not changed" "$legacy" "$(k get deployment web -n apps -o jsonpath='{.spec.template.spec.containers[0].image}')"
  works "and its pods run" k rollout status deployment/web -n apps --timeout=60s
}

# Refused once; until then the API server may not have seen the webhooks.
until_refused() {
  for _ in $(seq 100); do try "$1" || return 1; sleep 0.1; done
}

leaves_older_pods_alone() {
  works "a pod older than the gate can be labelled" k label pod older -n apps checked=yes
  works "it can be annotated" k annotate pod older -n apps checked=yes
  works "it can be debugged with a signed image" k debug older-debugged -n apps --image=$legacy --container=debug-signed
  denied "but not with an unsigned one" "$unsigned" k debug older-debugged -n apps --image=$unsigned --container=debug-unsigned
  works "it can be deleted" k delete pod older older-debugged -n apps --timeout=60s
}

# load: pods are asked for by four clients, without a pause, until the file `stop` appears; each answer is one line.
load() {
  local client
  rm -f "$STATE/stop" "$STATE"/load.*
  for client in 1 2 3 4; do
    (
      # shellcheck disable=SC2030
      while [ ! -e "$STATE/stop" ]; do
        in_cluster curl -sm 30 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" -X POST \
          -H 'Content-Type: application/yaml' --data-binary @"$STATE/pod.yaml" -o "$STATE/load.$client.body" -w '%{http_code}\n' \
          'https://127.0.0.1:6443/api/v1/namespaces/apps/pods?dryRun=All' >>"$STATE/load.$client.codes"
        tail -n 1 "$STATE/load.$client.codes" | grep -q '^201$' || cat "$STATE/load.$client.body" >>"$STATE/load.$client.failures"
      done
    ) &
  done
}
load_ends() { touch "$STATE/stop"; wait; cat "$STATE"/load.*.codes >"$STATE/codes"; cat "$STATE"/load.*.failures >"$out" 2>/dev/null; }

survives() {
  pod load apps $legacy >"$STATE/pod.yaml"
  load
  # row: FLT-15 a rolling restart under load loses no admission
  works "rollout restart under load (FLT-15)" k rollout restart deployment/sealgate -n sealgate
  works "its replicas are ready again" ready_gate
  load_ends
  if ! grep -qv '^201$' "$STATE/codes"; then
    pass "not one of $(wc -l <"$STATE/codes") admissions failed (FLT-15)"
  else
    miss "$(grep -cv '^201$' "$STATE/codes") of $(wc -l <"$STATE/codes") admissions failed (FLT-15)"
  fi

  k scale deployment/sealgate -n sealgate --replicas=0 >/dev/null
  k wait --for=delete pod -n sealgate -l app.kubernetes.io/component=gate --timeout=60s >/dev/null 2>&1
  refused "with all replicas gone a new pod is refused" "failed calling webhook" try "$(pod down apps $legacy)"
  works "but pods can be labelled" k label pod legacy -n apps during=outage
  works "deleted" k delete pod volume -n apps --timeout=60s
  works "and kube-system is not held up" try "$(pod down kube-system $unsigned)"
  k scale deployment/sealgate -n sealgate --replicas=2 >/dev/null
  works "the replicas come back by themselves" ready_gate
  k delete pod -n sealgate -l app.kubernetes.io/component=gate --grace-period=0 --force >/dev/null 2>&1
  works "also when all are killed at once" ready_gate
  works "soon signed pods are admitted" try "$(pod back apps $legacy)"
  denied "and unsigned ones refused" "$unsigned" try "$(pod back apps $unsigned)"
}

# row: FLT-41 tags denied and digests admitted while nothing pins
does_not_depend_on_pinning() {
  k patch clusterrole sealgate --type=json -p '[{"op":"replace","path":"/rules/3/verbs","value":["get","list","watch"]}]' >/dev/null
  k patch mutatingwebhookconfiguration sealgate --type=json -p '[{"op":"replace","path":"/webhooks","value":[]}]' >/dev/null
  refused "with the mutating webhook gone a tag is refused (FLT-41)" "NOT_PINNED|unpinned" until_refused "$(pod tag apps $legacy)"
  works "a signed digest is admitted (FLT-41)" try "$(pod digest apps "$legacy_digest")"
  denied "an unsigned one is refused (FLT-41)" "$unsigned" try "$(pod unsigned apps $unsigned)"
  k patch clusterrole sealgate --type=json -p '[{"op":"replace","path":"/rules/3/verbs","value":["get","list","watch","patch"]}]' >/dev/null
}

# row: CFG-12 what the API server says the service account may do
has_few_rights() {
  local as=(--as=system:serviceaccount:sealgate:sealgate)
  refused "it may not read secrets elsewhere (CFG-12)" "^no" k auth can-i get secrets -n apps "${as[@]}"
  refused "nor list those of its own namespace (CFG-12)" "^no" k auth can-i list secrets -n sealgate "${as[@]}"
  refused "nor read another of them (CFG-12)" "^no" k auth can-i get secret/other -n sealgate "${as[@]}"
  works "it may read its own (CFG-12)" k auth can-i get secret/sealgate-tls -n sealgate "${as[@]}"
  refused "it may not change pods (CFG-12)" "^no" k auth can-i patch pods -n apps "${as[@]}"
  refused "nor other webhook configurations (CFG-12)" "^no" k auth can-i patch mutatingwebhookconfigurations/other "${as[@]}"
  k auth can-i --list -n apps "${as[@]}" >"$STATE/rights"
  same "no wildcard, no escalation, no impersonation (CFG-12)" "" "$(grep -E '\[\*\]|escalate|bind\]|impersonate' "$STATE/rights")"
}

upgrades() {
  local before
  secret_data() { k get secret sealgate-tls -n sealgate -o jsonpath='{.data}' | sha256sum; }
  before=$(secret_data)
  works "soon the rules are whole again" gate_is Fail
  works "upgrade" in_cluster "$helm" upgrade sealgate charts/sealgate -n sealgate -f "$STATE/values.yaml" \
    --set replicas=3 --wait --timeout 120s
  same "the certificate is still there" "$before" "$(secret_data)"
  works "and the webhooks" gate_is Fail
  denied "unsigned pods are still refused" "$unsigned" try "$(pod unsigned apps $unsigned)"
  works "rollback" in_cluster "$helm" rollback sealgate 1 -n sealgate --wait --timeout 120s
  works "the webhooks survive it" gate_is Fail
  works "signed pods are admitted" try "$(pod signed apps $legacy)"
}

namespace_is_empty() {
  k get all,secret,lease,role,rolebinding -n sealgate -o name
  [ -z "$(k get all,secret,lease,role,rolebinding -n sealgate -o name)" ]
}

uninstalls() {
  works "uninstall" in_cluster "$helm" uninstall sealgate -n sealgate --wait --timeout 120s
  refused "the webhook configurations are gone" "NotFound|not found" k get validatingwebhookconfiguration sealgate
  works "the policies stay" k get csigpol ci-images
  works "soon unsigned pods are admitted again" try "$(pod unsigned apps $unsigned)"
  works "soon nothing is left in the namespace" namespace_is_empty
  works "it can be installed again" \
    in_cluster "$helm" install sealgate charts/sealgate -n sealgate -f "$STATE/values.yaml" --wait --timeout 120s
  works "soon it refuses again" gate_is Fail
  works "kubectl delete namespace" k delete namespace sealgate --timeout=120s
  works "soon that opens the gate too" try "$(pod unsigned apps $unsigned)"
}

cluster
installs
refuses_and_admits
leaves_older_pods_alone
survives
does_not_depend_on_pinning
has_few_rights
upgrades
uninstalls

if [ "$failed" != 0 ]; then
  mkdir -p dist
  k logs -n sealgate -l app.kubernetes.io/component=gate --prefix --tail=200 >dist/chart-test.log 2>&1
fi
if [ -z "${KEEP:-}" ]; then "$HERE/down.sh" wipe; fi
rm -f "$out"
echo "chart tests with $("$helm" version --short): $passed passed, $failed failed"
[ "$failed" = 0 ]
