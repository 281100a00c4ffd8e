{{/*
What is put into a pod: the one table that the policy is made of, and that `privacy-gateway inject` reads. {podNamespace} and {serviceAccount} stand
for the pod's, {cpuRequest} and its like for what its annotations say.

The gateway's container says everything that Kubernetes would fill in, so that it is known again by its content.
*/}}
{{- define "privacy-gateway.table" -}}
version: 1
label: {key: privacy.kannelle.com/gateway, value: injected}
annotations:
  inject: privacy.kannelle.com/inject
  ownEndpoint: privacy.kannelle.com/own-endpoint
  defaultContainer: kubectl.kubernetes.io/default-container
settings:
  {{- range $kind, $list := dict "request" .Values.agent.resources.requests "limit" .Values.agent.resources.limits }}
  {{- range $resource, $default := $list }}
  {{ $resource }}{{ title $kind }}: {annotation: privacy.kannelle.com/{{ $resource }}-{{ $kind }}, default: {{ $default | toString | quote }}}
  {{- end }}
  {{- end }}
{{- $services := list }}
{{- range $namespace := .Values.namespaces }}
{{- range .serviceAccounts }}{{ $services = append $services (printf "%s/%s" $namespace.name .) }}{{ end }}
{{- end }}
services: {{ toJson $services }}
exempt: {{ toJson .Values.exempt }}
refusals: {{- include "privacy-gateway.refusals" . | nindent 2 }}
initContainers:
{{- if .Values.lock.enabled }}
- {{- include "privacy-gateway.lockContainer" . | nindent 2 }}
{{- end }}
- {{- include "privacy-gateway.agentContainer" . | nindent 2 }}
volumes:
- name: privacy-gateway-configuration
  configMap: {name: privacy-gateway-agent, defaultMode: 292}
- name: privacy-gateway-no-token
  emptyDir: {sizeLimit: 1Ki}
- {{- include "privacy-gateway.certificateVolume" (dict
    "root" . "secret" "privacy-gateway-tls-{serviceAccount}"
    "uri" (printf "spiffe://%s/ns/${POD_NAMESPACE}/sa/${SERVICE_ACCOUNT_NAME}" .Values.trustDomain)) | nindent 2 }}
{{- with .Values.agent.outbox }}
{{- if .enabled }}
- name: privacy-gateway-outbox
  {{- if eq .volume "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      metadata: {}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources: {requests: {storage: {{ .size }}}}
        volumeMode: Filesystem
  {{- else }}
  emptyDir: {sizeLimit: {{ .size }}}
  {{- end }}
{{- end }}
{{- end }}
{{- with include "privacy-gateway.sharedVolumes" . | trim }}
{{ . }}
{{- end }}
env:
- {name: OTEL_EXPORTER_OTLP_PROTOCOL, value: grpc}
- {name: PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS, value: "127.0.0.1:4317"}
{{- if .Values.agent.outbound }}
- {name: PRIVACY_GATEWAY__LISTENERS__OUTBOUND__ADDRESS, value: "127.0.0.1:14001"}
{{- end }}
endpoint: {name: OTEL_EXPORTER_OTLP_ENDPOINT, protocol: OTEL_EXPORTER_OTLP_PROTOCOL, grpc: "http://127.0.0.1:4317", http: "http://127.0.0.1:4318"}
noProxy: {names: [NO_PROXY, no_proxy], host: "127.0.0.1", hosts: "127.0.0.1,localhost"}
{{- end }}

{{/* Why a pod is refused, and what to change: by the admission policy, and as far as a manifest shows it by `privacy-gateway inject`. */}}
{{- define "privacy-gateway.refusals" -}}
{{- $inject := "privacy.kannelle.com/inject" -}}
annotation: >-
  the annotation {{ $inject }} says neither enabled nor disabled: give it one of them, or take it away
disabled: >-
  {service} may not go without the privacy gateway: take the annotation {{ $inject }}: disabled away, or list {service} under exempt in the
  chart's values
unlisted: >-
  {service} isn't listed under namespaces in the chart's values, so that its privacy gateway has no certificate: list the namespace and the
  service account there
quantity: >-
  the annotation {names} says no quantity: give it one, such as 100m of a CPU or 256Mi of memory, or take it away
hostNetwork: >-
  a pod on the host's network has no privacy gateway of its own: set hostNetwork to false, or list {service} under exempt in the chart's values
  and give the pod the annotation {{ $inject }}: disabled
userId: >-
  UID {{ include "privacy-gateway.uid" . }} is the privacy gateway's alone: run as another one
container: >-
  the container {names} differs from what is injected by that name: rename yours, or leave it out, and let no webhook change it
missing: >-
  the pod has no privacy gateway before all its other init containers, or lacks its label:
  {{ if eq .Values.injection.mode "policy" }}create it once the policy inject.privacy.kannelle.com is there{{ else }}patch its manifest by `privacy-gateway inject`{{ end }},
  and let nothing else put containers before it
environment: >-
  the container {names} lacks the environment by which it finds the privacy gateway, or says something else there: take
  PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS and its like out of the manifest, and write 127.0.0.1 into NO_PROXY and no_proxy where they are set
endpoint: >-
  the container {names} sends telemetry past the privacy gateway: take OTEL_EXPORTER_OTLP_ENDPOINT and its like out of its environment, or
  allow it by the annotation privacy.kannelle.com/own-endpoint: allowed
volume: >-
  the volume {names} has the name or the certificate of one of the privacy gateway's: rename it, or leave it out
mount: >-
  the container {names} mounts a volume of the privacy gateway's: only the gateway may
certificate: >-
  the container {names} has the certificate of a privacy gateway in its environment: only the gateway may have it, so take the secret out of env
  and envFrom
lock: >-
  the container {names} could undo the lock of the pod's network: say runAsUser and allowPrivilegeEscalation: false of it, drop ALL or run as
  another user than root, and add no capability but {{ include "privacy-gateway.harmlessCapabilities" . | fromJsonArray | join ", " }}; privileged it may not be
processes: >-
  the pod's containers would share their processes, and with them the privacy gateway's files: take shareProcessNamespace away
dns: >-
  the pod names DNS servers of its own, which the lock of its network would let all its containers reach: take dnsConfig.nameservers away, or list
  them under lock.allow in the chart's values, such as 192.0.2.53/32
node: >-
  the pod reaches its node, and by that whatever the lock of its network keeps it from: take hostPID, hostIPC and all volumes away but
  {{ include "privacy-gateway.harmlessVolumes" . | fromJsonArray | join ", " }}
fsGroup: >-
  the privacy gateway can't write to a volume claim of a pod without fsGroup: set securityContext.fsGroup of the pod
{{- end }}

{{/* The gateway beside a service: a native sidecar, which starts before what comes after it, and ends after the service. */}}
{{- define "privacy-gateway.agentContainer" -}}
name: privacy-gateway
image: {{ include "privacy-gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/privacy-gateway/gateway/gateway.yaml]
env:
- {name: PRIVACY_GATEWAY__SERVICE, value: "spiffe://{{ .Values.trustDomain }}/ns/{podNamespace}/sa/{serviceAccount}"}
ports:
- {name: pg-metrics, containerPort: 14022, protocol: TCP}
{{- if .Values.agent.inbound }}
- {name: pg-inbound, containerPort: 14006, protocol: TCP}
{{- end }}
resources:
  requests: {cpu: "{cpuRequest}", memory: "{memoryRequest}"}
  limits: {cpu: "{cpuLimit}", memory: "{memoryLimit}"}
restartPolicy: Always
securityContext: {{- include "privacy-gateway.securityContext" . | nindent 2 }}
startupProbe: {{- include "privacy-gateway.probe" (list "/readyz" 1 1 60) | nindent 2 }}
readinessProbe: {{- include "privacy-gateway.probe" (list "/readyz" 5 1 3) | nindent 2 }}
livenessProbe: {{- include "privacy-gateway.probe" (list "/livez" 10 5 3) | nindent 2 }}
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: File
volumeMounts:
- {name: privacy-gateway-configuration, mountPath: /etc/privacy-gateway/gateway, readOnly: true}
- {name: privacy-gateway-tls, mountPath: /run/privacy-gateway/tls, readOnly: true}
- {name: privacy-gateway-no-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- if .Values.agent.outbox.enabled }}
- {name: privacy-gateway-outbox, mountPath: /var/lib/privacy-gateway}
{{- end }}
{{- with include "privacy-gateway.sharedMounts" . | trim }}
{{ . }}
{{- end }}
{{- end }}

{{/* The lock of the pod's network, before all else: root with CAP_NET_ADMIN alone, for a moment. */}}
{{- define "privacy-gateway.lockContainer" -}}
name: privacy-gateway-lock
image: {{ .Values.lock.image | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [sh, -c]
args: [{{ .Files.Get "files/lock.sh" | toRawJson }}]
env:
- {name: GATEWAY_UID, value: {{ include "privacy-gateway.uid" . | quote }}}
{{- with .Values.lock.allow }}
- {name: ALLOW, value: {{ join " " . | quote }}}
{{- end }}
resources:
  requests: {cpu: 10m, memory: 32Mi}
  limits: {cpu: 100m, memory: 64Mi}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {add: [NET_ADMIN], drop: [ALL]}
  readOnlyRootFilesystem: true
  runAsGroup: 0
  runAsNonRoot: false
  runAsUser: 0
  seccompProfile: {type: RuntimeDefault}
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: File
volumeMounts:
- {name: privacy-gateway-no-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{/* What a container may add where the lock is on: nothing by which it becomes the gateway's user, or changes rules. */}}
{{- define "privacy-gateway.harmlessVolumes" -}}
["configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"]
{{- end }}

{{- define "privacy-gateway.harmlessCapabilities" -}}
["CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","NET_BIND_SERVICE"]
{{- end }}

{{/* An HTTP probe of the gateway's, by path, period, timeout and failures. */}}
{{- define "privacy-gateway.probe" -}}
httpGet: {path: {{ index . 0 }}, port: 14022, scheme: HTTP}
periodSeconds: {{ index . 1 }}
timeoutSeconds: {{ index . 2 }}
failureThreshold: {{ index . 3 }}
successThreshold: 1
{{- end }}
