{{/* A value of the table in CEL; dyn(), since a literal of Kubernetes's CEL holds one type. {name} becomes variables.name. */}}
{{- define "privacy-gateway.cel" -}}
{{- $value := . -}}
{{- if kindIs "map" . -}}
dyn({ {{- range $index, $key := keys . | sortAlpha -}}
{{- if $index }}, {{ end }}{{ toRawJson $key }}: {{ include "privacy-gateway.cel" (get $value $key) }}
{{- end -}} })
{{- else if kindIs "slice" . -}}
dyn([ {{- range $index, $item := . -}}
{{- if $index }}, {{ end }}{{ include "privacy-gateway.cel" $item }}
{{- end -}} ])
{{- else if kindIs "string" . -}}
dyn({{ regexReplaceAll "\\{([a-zA-Z]+)\\}" (toRawJson .) "\" + variables.${1} + \"" | trimPrefix "\"\" + " | trimSuffix " + \"\"" }})
{{- else if kindIs "float64" . -}}
dyn({{ int64 . }})
{{- else if kindIs "invalid" . -}}
dyn(null)
{{- else -}}
dyn({{ . }})
{{- end -}}
{{- end }}

{{/* What both policies know of a pod: `variables`. */}}
{{- define "privacy-gateway.podVariables" -}}
{{- $table := include "privacy-gateway.table" . | fromYaml -}}
- {name: annotations, expression: "object.metadata.?annotations.orValue({})"}
- {name: podNamespace, expression: request.namespace}
- {name: service, expression: "request.namespace + '/' + object.spec.?serviceAccountName.orValue('default')"}
- {name: serviceAccount, expression: "object.spec.?serviceAccountName.orValue('default')"}
{{- range $name, $setting := $table.settings }}
- name: {{ $name }}
  expression: >-
    variables.annotations[?{{ $setting.annotation | toRawJson }}].optMap(q, isQuantity(q) ? q : {{ $setting.default | toRawJson }}).orValue({{ $setting.default | toRawJson }})
{{- end }}
- {name: inits, expression: "dyn(object.spec.?initContainers.orValue([]))"}
- {name: podVolumes, expression: "dyn(object.spec.?volumes.orValue([]))"}
- name: wanted
  expression: {{ include "privacy-gateway.cel" $table.initContainers | toRawJson }}
- name: volumes
  expression: {{ include "privacy-gateway.cel" $table.volumes | toRawJson }}
- {name: names, expression: "variables.wanted.map(w, w.name)"}
- {name: all, expression: "dyn(object.spec.containers) + variables.inits"}
- name: taken
  expression: >-
    variables.all.filter(c, c.name in variables.names && !variables.wanted.exists(w, {{ include "privacy-gateway.isContainer" (list . "c" "w") | nindent 4 }}))
{{- end }}

{{/*
Whether container A is container B of the table: all that the table says, and nothing else. Quantities have more than one spelling, values may
name images of before, and a cluster may have every image pulled always (its plugin AlwaysPullImages). Takes the root, A and B.
*/}}
{{- define "privacy-gateway.isContainer" -}}
{{- $images := (index . 0).Values.admission.images }}{{ $a := index . 1 }}{{ $b := index . 2 -}}
({{ $a }}.all(key, key in {{ $b }}) && {{ $b }}.all(key, key in {{ $a }}
 && (key == "resources" ? ["requests", "limits"].all(kind, ["cpu", "memory"].all(what,
   quantity(string({{ $a }}[?key][?kind][?what].orValue("0"))).compareTo(quantity({{ $b }}[key][kind][what])) == 0))
 : {{ $a }}[key] == {{ $b }}[key] || (key == "imagePullPolicy" && {{ $a }}[key] == "Always"){{ with $images }} || (key == "image" && {{ $a }}.image in {{ toRawJson . }}){{ end }})))
{{- end }}

{{/* The names of the containers that are injected, in their order, in JSON. Takes the table. */}}
{{- define "privacy-gateway.names" -}}
{{- $names := list }}
{{- range .initContainers }}{{ $names = append $names .name }}{{ end }}
{{- toRawJson $names }}
{{- end }}

{{/* Whether a pod is one that an exempt service account has taken out. */}}
{{- define "privacy-gateway.optedOut" -}}
(object.metadata.?annotations[?"privacy.kannelle.com/inject"].orValue("") == "disabled"
 && request.namespace + "/" + object.spec.?serviceAccountName.orValue("default") in {{ .Values.exempt | toRawJson }})
{{- end }}

{{/* The endpoint that fits container C's protocol. */}}
{{- define "privacy-gateway.endpointOf" -}}
{{- $table := index . 0 }}{{ $c := index . 1 -}}
({{ $c }}.?env.orValue([]).exists(e, e.name == {{ $table.endpoint.protocol | toRawJson }} && e.?value.orValue("").startsWith("http/")) ? {{ $table.endpoint.http | toRawJson }} : {{ $table.endpoint.grpc | toRawJson }})
{{- end }}

{{/* A refusal's text in CEL. Takes the text, and the list whose names it names. */}}
{{- define "privacy-gateway.message" -}}
{{- $text := index . 0 | trim | toRawJson }}
{{- if gt (len .) 1 }}
{{- $text = $text | replace "{names}" (printf "\" + %s.map(one, string(one.name)).join(\", \") + \"" (index . 1)) }}
{{- end }}
{{- $text | replace "{service}" "\" + variables.service + \"" }}
{{- end }}

{{/* Whether volume V has a gateway's certificate: by its secret, by a secret that a driver is given, or by cert-manager's driver. Takes the root and V. */}}
{{- define "privacy-gateway.holdsCertificate" -}}
{{- $certificates := (index . 0).Values.certificates }}{{ $v := index . 1 -}}
([{{ $v }}.?secret.?secretName{{ range list "csi.?nodePublishSecretRef" "flexVolume.?secretRef" "iscsi.?secretRef" "cephfs.?secretRef" "rbd.?secretRef" "scaleIO.?secretRef" }}, {{ $v }}.?{{ . }}.?name{{ end }}].exists(name, name.orValue("").startsWith("privacy-gateway-tls-"))
 || {{ $v }}.?projected.?sources.orValue([]).exists(s, s.?secret.?name.orValue("").startsWith("privacy-gateway-tls-"))
{{- if ne $certificates.mode "existing" }}
 || ({{ $v }}.?csi.?driver.orValue("") == "csi.cert-manager.io" && has({{ $v }}.csi.volumeAttributes) && "csi.cert-manager.io/uri-sans" in {{ $v }}.csi.volumeAttributes
   && {{ $v }}.csi.volumeAttributes[?"csi.cert-manager.io/issuer-name"].orValue("") == {{ $certificates.issuer.name | toRawJson }})
{{- end }})
{{- end }}

{{/* Whether container C takes a gateway's certificate into its environment. */}}
{{- define "privacy-gateway.readsCertificate" -}}
({{ . }}.?env.orValue([]).exists(e, e.?valueFrom.?secretKeyRef.?name.orValue("").startsWith("privacy-gateway-tls-"))
 || {{ . }}.?envFrom.orValue([]).exists(e, e.?secretRef.?name.orValue("").startsWith("privacy-gateway-tls-")))
{{- end }}

{{/*
Whether container C can't undo the lock: by a capability of its own, as root with those of the runtime, or by a program that is set-user-ID, for
which no capability is needed.
*/}}
{{- define "privacy-gateway.harmless" -}}
({{ . }}.?securityContext.?runAsUser.orValue(object.spec.?securityContext.?runAsUser.orValue(-1)) >= 0
 && !{{ . }}.?securityContext.?privileged.orValue(false)
 && {{ . }}.?securityContext.?capabilities.?add.orValue([]).all(capability, capability in {{ include "privacy-gateway.harmlessCapabilities" . }})
 && !{{ . }}.?securityContext.?allowPrivilegeEscalation.orValue(true)
 && ("ALL" in {{ . }}.?securityContext.?capabilities.?drop.orValue([])
   || {{ . }}.?securityContext.?runAsUser.orValue(object.spec.?securityContext.?runAsUser.orValue(-1)) > 0))
{{- end }}
