{{/* The name of everything that belongs to the release. */}}
{{- define "sealgate.name" -}}
{{- if contains "sealgate" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-sealgate" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "sealgate.selector" -}}
app.kubernetes.io/name: sealgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sealgate.labels" -}}
{{ include "sealgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "sealgate.image" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is not set. Build the image with `make image` (it prints the digest), push it with `crane push dist/image registry.example.com/team/sealgate`, then set image.repository=registry.example.com/team/sealgate and image.digest=sha256:..." }}
{{- end -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The configuration file: the value `config`, and what other values say about it. */}}
{{- define "sealgate.config" -}}
{{- $config := deepCopy (.Values.config | default dict) }}
{{- $_ := set $config "pullSecrets" .Values.pullSecrets }}
{{- if .Values.dockerConfigSecret }}{{ $_ := set $config "dockerConfigFile" "/etc/sealgate/docker/config.json" }}{{ end }}
{{- if .Values.trustedRootCache }}{{ $_ := set $config "trustedRoots" (merge (dict "cacheDir" "/var/cache/sealgate") ($config.trustedRoots | default dict)) }}{{ end }}
{{- toYaml $config }}
{{- end }}

{{/* Where the CA of client certificates is, as a source of a projected volume; empty where none is demanded. */}}
{{- define "sealgate.clientCA" -}}
{{- $ca := .Values.webhook.clientCA }}
{{- if or $ca.configMap $ca.secret -}}
- {{ ternary "configMap" "secret" (not (empty $ca.configMap)) }}:
    name: {{ $ca.configMap | default $ca.secret }}
    items:
      - key: {{ $ca.key }}
        path: client-ca/ca.crt
{{- end }}
{{- end }}

{{/* The bytes of a quantity such as 128Mi. */}}
{{- define "sealgate.bytes" -}}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 }}
{{- $quantity := toString . }}
{{- if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) }}{{ $quantity = printf "%d" (int64 .) }}{{ end }}
{{- $unit := regexFind "[A-Za-z]*$" $quantity }}
{{- if not (and (regexMatch "^[0-9]+([.][0-9]+)?[A-Za-z]*$" $quantity) (hasKey $factors $unit)) }}
{{- fail (printf "resources.limits.memory: %s is not a quantity of memory such as 128Mi" $quantity) }}
{{- end }}
{{- mulf (regexFind "^[0-9.]+" $quantity | float64) (get $factors $unit) | int64 }}
{{- end }}

{{/* Rows 1 to 4 of the hardening table; fits the pod security level `restricted`. */}}
{{- define "sealgate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "sealgate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The service account's token, where in-cluster clients look for it: bound to the pod, good for an hour. */}}
{{- define "sealgate.tokenVolume" -}}
- name: token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{- define "sealgate.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}
