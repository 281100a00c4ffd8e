{{/* Names are one for a cluster, as the label and the admission policies are: no release's name is in them. */}}
{{- define "privacy-gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: privacy-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "privacy-gateway.hubLabels" -}}
app.kubernetes.io/name: privacy-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: hub
{{- end }}

{{/* The image: by digest where there is one, by tag otherwise. */}}
{{- define "privacy-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "privacy-gateway.uid" -}}14317{{- end }}

{{- define "privacy-gateway.hubHost" -}}privacy-gateway-hub.{{ .Release.Namespace }}.svc{{- end }}

{{/* What every container of the gateway's may do: nothing but run. */}}
{{- define "privacy-gateway.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsGroup: {{ include "privacy-gateway.uid" . }}
runAsNonRoot: true
runAsUser: {{ include "privacy-gateway.uid" . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* A digest of what a pod reads at its start alone: the configuration, not policy, contracts and certificates. */}}
{{- define "privacy-gateway.checksum" -}}
{{ . | sha256sum | trunc 32 }}
{{- end }}

{{/* The namespaces whose pods have a gateway: those that say so, but for the cluster's own and the release's. */}}
{{- define "privacy-gateway.namespaceSelector" -}}
matchExpressions:
- {key: privacy.kannelle.com/inject, operator: In, values: [enabled]}
- {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, kube-public, kube-node-lease, {{ .Release.Namespace }}]}
{{- end }}

{{/* A cluster without the API gets no chart that silently lacks what was asked for. */}}
{{- define "privacy-gateway.requireAdmission" -}}
{{- $api := "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" }}
{{- if not (.Capabilities.APIVersions.Has $api) }}
{{- fail (printf "admission.enabled needs %s, which this cluster doesn't know: Kubernetes 1.30 brings it; admission.enabled=false does without, and then nothing refuses a pod that lacks its gateway. Where no cluster is asked (helm template, Argo CD), say that yours has it: --api-versions %s" $api $api) }}
{{- end }}
{{- end }}

{{/* Likewise of Prometheus's operator. Takes the root, the key, and the kind. */}}
{{- define "privacy-gateway.requireMonitoring" -}}
{{- $api := printf "monitoring.coreos.com/v1/%s" (index . 2) }}
{{- if not ((index . 0).Capabilities.APIVersions.Has $api) }}
{{- fail (printf "%s needs %s, of Prometheus's operator, which this cluster doesn't know. Where no cluster is asked (helm template, Argo CD), say that yours has it: --api-versions %s" (index . 1) $api $api) }}
{{- end }}
{{- end }}

{{/* What puts a validating policy in force. Takes the root and the policy's name, which is the binding's. */}}
{{- define "privacy-gateway.denyBinding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels: {{- include "privacy-gateway.labels" (index . 0) | nindent 4 }}
spec: {policyName: {{ index . 1 }}, validationActions: [Deny]}
{{- end }}
