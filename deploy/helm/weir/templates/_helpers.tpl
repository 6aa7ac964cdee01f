{{/* The name that all objects begin with. */}}
{{- define "weir.fullname" -}}
{{- if contains "weir" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-weir" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a role's pods are found by: (list $ "worker"). */}}
{{- define "weir.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "weir.labels" -}}
{{- $root := index . 0 -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "weir.annotations" -}}
{{- if .Values.prometheusAnnotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: "39998"
prometheus.io/path: /metrics
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* What every pod's specification begins with: (list $ .Values.worker). */}}
{{- define "weir.pod" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
automountServiceAccountToken: false
# Variables of the services of the namespace are no settings.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* What every container has: (list $ .Values.worker). */}}
{{- define "weir.container" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
image: {{ printf "%s:%s" $root.Values.image.repository (default $root.Chart.AppVersion $root.Values.image.tag) | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
# The admin port answers while a store recovers, so that takes as long as it takes.
livenessProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
resources: {{- toYaml $role.resources | nindent 2 }}
{{- end -}}

{{/* Settings of every role. */}}
{{- define "weir.environment" -}}
- name: WEIR_CLUSTER_SECRET
  valueFrom: { secretKeyRef: { name: {{ .Values.secret.name }}, key: {{ .Values.secret.clusterSecret }} } }
- name: WEIR_METASERVER_ADDRESS
  value: {{ printf "%s-metaserver:19998" (include "weir.fullname" .) }}
- name: WEIR_ADMIN_LISTEN
  value: "0.0.0.0:39998"
{{- range $key, $value := .Values.settings }}
- name: {{ printf "WEIR_%s" ($key | replace "." "_" | upper) }}
  {{- /* Helm reads all numbers as floats. */}}
  value: {{ if kindIs "float64" $value }}{{ $value | int64 | toString | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* Where a pod is: (list $ "WORKER"). */}}
{{- define "weir.topology" -}}
{{- if (index . 0).Values.topologyLabels -}}
- name: WEIR_{{ index . 1 }}_HOST
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: WEIR_{{ index . 1 }}_ZONE
  valueFrom: { fieldRef: { fieldPath: "metadata.labels['topology.kubernetes.io/zone']" } }
{{- end -}}
{{- end -}}

{{/* A claim for a role's data: (list $ .Values.worker "worker"). */}}
{{- define "weir.claim" -}}
{{- $storage := (index . 1).storage -}}
- metadata:
    name: data
    labels: {{- include "weir.selector" (list (index . 0) (index . 2)) | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with $storage.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources: { requests: { storage: {{ $storage.size }} } }
{{- end -}}
