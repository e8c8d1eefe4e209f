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
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The configuration file: the value `config`, and what other values say about it. */}}
{{- define "sealgate.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "pullSecrets" .Values.pullSecrets }}
{{- if .Values.dockerConfigSecret }}{{ $_ := set $config "dockerConfigFile" "/etc/sealgate/docker/config.json" }}{{ end }}
{{- toYaml $config }}
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
