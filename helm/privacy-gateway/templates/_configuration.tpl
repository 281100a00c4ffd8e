{{/* What agents and hub have in common: where their files are mounted, and how they log. */}}
{{- define "privacy-gateway.commonConfiguration" -}}
{{- $contracts := list }}
{{- range $name, $_ := .Values.contracts.files }}{{ $contracts = append $contracts (printf "/etc/privacy-gateway/contracts/%s" $name) }}{{ end }}
{{- $made := dict
  "contracts" (concat $contracts .Values.contracts.paths)
  "tls" (dict
    "certificate" "/run/privacy-gateway/tls/tls.crt"
    "key" "/run/privacy-gateway/tls/tls.key"
    "ca" (ternary "/run/privacy-gateway/ca/ca.crt" "/run/privacy-gateway/tls/ca.crt" (ne .Values.certificates.ca "")))
  "telemetry" (dict "log" .Values.log) }}
{{- if .Values.policy.document }}{{ $_ := set $made "policy" "/etc/privacy-gateway/policy/policy.yaml" }}{{ end }}
{{- toYaml $made }}
{{- end }}

{{/* The hub's configuration. */}}
{{- define "privacy-gateway.hubConfiguration" -}}
{{- $made := include "privacy-gateway.commonConfiguration" . | fromYaml }}
{{- $agents := .Values.hub.agents }}
{{- range $namespace := .Values.namespaces }}
{{- range .serviceAccounts }}
{{- $agents = append $agents (printf "spiffe://%s/ns/%s/sa/%s" $.Values.trustDomain $namespace.name .) }}
{{- end }}
{{- end }}
{{- $own := dict
  "role" "hub"
  "state" "/var/lib/privacy-gateway/state"
  "listeners" (dict
    "local_http" nil
    "delivery" (dict "address" "0.0.0.0:14007" "agents" $agents)
    "http" (dict "address" "0.0.0.0:14022"))
  "outbox" (dict
    "max_bytes" (int64 .Values.hub.outbox.maxBytes)
    "max_age" .Values.hub.outbox.maxAge
    "remember" .Values.hub.outbox.remember)
  "stop" (dict "grace" .Values.hub.stopGrace) }}
{{- if .Values.hub.hashSecret.secret }}
{{- $_ := set $own "hash_secret" (dict "file" "/run/privacy-gateway/hash/secret") }}
{{- end }}
{{- toYaml (merge $own $made) }}
{{- end }}

{{/* The configuration of all agents; whose service one is, its environment says. */}}
{{- define "privacy-gateway.agentConfiguration" -}}
{{- $made := include "privacy-gateway.commonConfiguration" . | fromYaml }}
{{- $listeners := dict "http" (dict "address" "0.0.0.0:14022") }}
{{- if .Values.agent.outbound }}{{ $_ := set $listeners "outbound" (dict "address" "127.0.0.1:14001") }}{{ end }}
{{- if .Values.agent.inbound }}{{ $_ := set $listeners "inbound" (dict "address" "0.0.0.0:14006") }}{{ end }}
{{- $own := dict
  "role" "agent"
  "hub" (dict "address" (printf "%s:14007" (include "privacy-gateway.hubHost" .)))
  "listeners" $listeners
  "stop" (dict "grace" .Values.agent.stopGrace) }}
{{- if .Values.agent.outbox.enabled }}
{{- $_ := set $own "state" "/var/lib/privacy-gateway/state" }}
{{- $_ := set $own "outbox" dict }}
{{- end }}
{{- toYaml (merge $own $made) }}
{{- end }}

{{/* The policy's document and the files beside it: `data` of a ConfigMap. The file of approvals that it names must be there. */}}
{{- define "privacy-gateway.policyData" -}}
{{- $document := fromYaml .Values.policy.document }}
{{- with $document.Error }}{{ fail (printf "policy.document: not YAML: %s" .) }}{{ end }}
{{- with $document.approvals }}
{{- if not (hasKey $.Values.policy.files .) }}
{{- fail (printf "policy.files: lacks %s, which the policy names as its approvals: --set-file 'policy.files.%s=%s'" . (replace "." "\\." .) .) }}
{{- end }}
{{- end }}
{{- toYaml (merge (dict "policy.yaml" .Values.policy.document) .Values.policy.files) }}
{{- end }}

{{/* The descriptor sets: `binaryData` of a ConfigMap, which Kubernetes bounds to 1 MiB. */}}
{{- define "privacy-gateway.contractsData" -}}
{{- $bytes := 0 }}
{{- range .Values.contracts.files }}{{ $bytes = add $bytes (len (b64dec .)) }}{{ end }}
{{- if gt (int $bytes) 921600 }}
{{- fail (printf "contracts.files: %d bytes, and a ConfigMap takes 921600 (900 KiB): ship them in an image instead. `FROM <this image>` and `COPY contracts/ /contracts/` make one; name it as image.repository, and its files as contracts.paths: [/contracts/acme.binpb]" (int $bytes)) }}
{{- end }}
{{- toYaml .Values.contracts.files }}
{{- end }}

{{/* Volumes of the files that hub and agents share, all but the certificate's; the ConfigMaps are in each namespace. */}}
{{- define "privacy-gateway.sharedVolumes" -}}
{{- if .Values.policy.document }}
- name: privacy-gateway-policy
  configMap: {name: privacy-gateway-policy, defaultMode: 292}
{{- end }}
{{- if .Values.contracts.files }}
- name: privacy-gateway-contracts
  configMap: {name: privacy-gateway-contracts, defaultMode: 292}
{{- end }}
{{- if .Values.certificates.ca }}
- name: privacy-gateway-ca
  configMap: {name: privacy-gateway-ca, defaultMode: 292}
{{- end }}
{{- end }}

{{- define "privacy-gateway.sharedMounts" -}}
{{- if .Values.policy.document }}
- {name: privacy-gateway-policy, mountPath: /etc/privacy-gateway/policy, readOnly: true}
{{- end }}
{{- if .Values.contracts.files }}
- {name: privacy-gateway-contracts, mountPath: /etc/privacy-gateway/contracts, readOnly: true}
{{- end }}
{{- if .Values.certificates.ca }}
- {name: privacy-gateway-ca, mountPath: /run/privacy-gateway/ca, readOnly: true}
{{- end }}
{{- end }}

{{/* The ConfigMaps of the files that hub and agents share, in one namespace. Takes root and namespace. */}}
{{- define "privacy-gateway.sharedConfigMaps" -}}
{{- $root := .root }}
{{- if $root.Values.policy.document }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: privacy-gateway-policy
  namespace: {{ .namespace | quote }}
  labels: {{- include "privacy-gateway.labels" $root | nindent 4 }}
data: {{- include "privacy-gateway.policyData" $root | nindent 2 }}
{{- end }}
{{- if $root.Values.contracts.files }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: privacy-gateway-contracts
  namespace: {{ .namespace | quote }}
  labels: {{- include "privacy-gateway.labels" $root | nindent 4 }}
binaryData: {{- include "privacy-gateway.contractsData" $root | nindent 2 }}
{{- end }}
{{- if $root.Values.certificates.ca }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: privacy-gateway-ca
  namespace: {{ .namespace | quote }}
  labels: {{- include "privacy-gateway.labels" $root | nindent 4 }}
data:
  ca.crt: {{ $root.Values.certificates.ca | toJson }}
{{- end }}
{{- end }}
