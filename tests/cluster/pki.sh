#!/bin/bash
# pki.sh: makes the certificates, keys and kubeconfigs of the cluster, with EC keys, in about a second.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$PKI"
cd "$PKI"
if [ -f admin.kubeconfig ]; then exit 0; fi

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

# ca NAME COMMON_NAME
ca() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -days 3650 -subj "/CN=$2" -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# cert NAME SUBJECT EXTENDED_KEY_USAGE [SUBJECT_ALT_NAMES] [CA]
cert() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  {
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=$3"
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
    echo "basicConstraints=critical,CA:FALSE"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "${5:-ca}.crt" -CAkey "${5:-ca}.key" -CAcreateserial -days 3650 \
    -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

ca ca "$NAME-ca"
ca front-proxy-ca "$NAME-front-proxy-ca"
ca webhook-ca "$NAME-webhook-ca"
service=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1
cert apiserver /CN=kube-apiserver serverAuth "DNS:localhost,$service,IP:127.0.0.1,IP:$NODE_IP"
cert apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
cert front-proxy-client /CN=front-proxy-client clientAuth "" front-proxy-ca
cert admin /O=system:masters/CN=admin clientAuth
cert controller-manager /CN=system:kube-controller-manager clientAuth
cert scheduler /CN=system:kube-scheduler clientAuth
cert kube-proxy /CN=system:kube-proxy clientAuth
cert kubelet "/O=system:nodes/CN=system:node:$NODE" clientAuth,serverAuth "DNS:$NODE,IP:127.0.0.1,IP:$NODE_IP"
cert webhook /CN=webhook serverAuth "DNS:localhost,IP:127.0.0.1,IP:$NODE_IP" webhook-ca # for a webhook or a registry outside the cluster
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null

for user in controller-manager scheduler kubelet kube-proxy admin; do
  cat >$user.kubeconfig <<KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: $NAME, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: $(base64 -w0 <ca.crt)}}]
users: [{name: $user, user: {client-certificate-data: $(base64 -w0 <$user.crt), client-key-data: $(base64 -w0 <$user.key)}}]
contexts: [{name: $NAME, context: {cluster: $NAME, user: $user}}]
current-context: $NAME
KUBECONFIG
done
