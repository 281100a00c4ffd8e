{{/* The hub's environment: the credentials that its policy names. */}}
{{- define "privacy-gateway.hubEnv" -}}
{{- with .Values.hub.secretEnv }}
env:
{{- range $name, $from := . }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $from.secret | quote }}, key: {{ $from.key | quote }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* What the hub's container mounts. */}}
{{- define "privacy-gateway.hubMounts" -}}
- {name: privacy-gateway-configuration, mountPath: /etc/privacy-gateway/gateway, readOnly: true}
- {name: privacy-gateway-tls, mountPath: /run/privacy-gateway/tls, readOnly: true}
- {name: outbox, mountPath: /var/lib/privacy-gateway}
{{- if .Values.hub.hashSecret.secret }}
- {name: privacy-gateway-hash, mountPath: /run/privacy-gateway/hash, readOnly: true}
{{- end }}
{{- with include "privacy-gateway.sharedMounts" . | trim }}
{{ . }}
{{- end }}
{{- end }}

{{/* The hub's volumes, all but that of its outbox. */}}
{{- define "privacy-gateway.hubVolumes" -}}
- name: privacy-gateway-configuration
  configMap: {name: privacy-gateway-hub, defaultMode: 292}
- {{- include "privacy-gateway.certificateVolume" (dict "root" . "secret" "privacy-gateway-hub-tls" "dns" (include "privacy-gateway.hubHost" .)) | nindent 2 }}
{{- if .Values.hub.hashSecret.secret }}
- name: privacy-gateway-hash
  secret:
    secretName: {{ .Values.hub.hashSecret.secret | quote }}
    defaultMode: 288
    items: [{key: {{ .Values.hub.hashSecret.key | quote }}, path: secret}]
{{- end }}
{{- with include "privacy-gateway.sharedVolumes" . | trim }}
{{ . }}
{{- end }}
{{- end }}
