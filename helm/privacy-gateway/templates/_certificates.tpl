{{/* cert-manager's Certificate. Takes root, namespace, name, and the lists uris and dnsNames. */}}
{{- define "privacy-gateway.certificate" -}}
{{- $root := .root }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .name | quote }}
  namespace: {{ .namespace | quote }}
  labels: {{- include "privacy-gateway.labels" $root | nindent 4 }}
spec:
  secretName: {{ .name | quote }}
  duration: {{ $root.Values.certificates.duration }}
  renewBefore: {{ $root.Values.certificates.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [digital signature, client auth, server auth]
  {{- with .uris }}
  uris: {{ toJson . }}
  {{- end }}
  {{- with .dnsNames }}
  dnsNames: {{ toJson . }}
  {{- end }}
  issuerRef: {{- toYaml $root.Values.certificates.issuer | nindent 4 }}
{{- end }}

{{/* The volume of a gateway's certificate, key and CA. Takes root, secret, and the SPIFFE ID or DNS name that the CSI driver asks for. */}}
{{- define "privacy-gateway.certificateVolume" -}}
{{- $certificates := .root.Values.certificates -}}
name: privacy-gateway-tls
{{- if eq $certificates.mode "csi-driver" }}
csi:
  driver: csi.cert-manager.io
  readOnly: true
  volumeAttributes:
    csi.cert-manager.io/issuer-name: {{ $certificates.issuer.name | quote }}
    csi.cert-manager.io/issuer-kind: {{ $certificates.issuer.kind | quote }}
    csi.cert-manager.io/issuer-group: {{ $certificates.issuer.group | quote }}
    {{- with .uri }}
    csi.cert-manager.io/uri-sans: {{ . | quote }}
    {{- end }}
    {{- with .dns }}
    csi.cert-manager.io/dns-names: {{ . | quote }}
    {{- end }}
    csi.cert-manager.io/duration: {{ $certificates.duration }}
    csi.cert-manager.io/renew-before: {{ $certificates.renewBefore }}
    csi.cert-manager.io/key-usages: digital signature,client auth,server auth
    csi.cert-manager.io/key-algorithm: ECDSA
    csi.cert-manager.io/key-size: "256"
    csi.cert-manager.io/fs-group: {{ include "privacy-gateway.uid" .root | quote }}
{{- else }}
secret:
  secretName: {{ .secret | quote }}
  defaultMode: 292
{{- end }}
{{- end }}
