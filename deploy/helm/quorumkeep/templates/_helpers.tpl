{{- define "quorumkeep.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select: never changed, because a StatefulSet and its pods depend on them. Takes {root, component}. */}}
{{- define "quorumkeep.selector" -}}
app.kubernetes.io/name: quorumkeep
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "quorumkeep.labels" -}}
{{ include "quorumkeep.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "quorumkeep.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/*
The group of the volumes is set once, at the root of an empty volume: every later change of it would open the key files in it
to the group, and the program refuses a key file that others may read.
*/}}
{{- define "quorumkeep.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int .Values.user }}
runAsGroup: {{ int .Values.user }}
fsGroup: {{ int .Values.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "quorumkeep.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
Kubernetes gives the files of a mounted Secret to root and lets the group read them. The program takes only key files that
nobody else may read, so they are copied into memory with the right owner and mode. Takes {root, resources, from, to}.
*/}}
{{- define "quorumkeep.copyKeys" -}}
- name: copy-keys
  image: {{ include "quorumkeep.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/bin/sh, -c]
  args:
    - |
      set -eu
      umask 077
      for file in {{ .from }}/*; do cat "$file" > "{{ .to }}/${file##*/}"; done
      chmod 0400 {{ .to }}/*
  securityContext:
    {{- include "quorumkeep.containerSecurity" . | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    - {name: secret, mountPath: {{ .from }}, readOnly: true}
    - {name: keys, mountPath: {{ .to }}}
{{- end -}}

{{- define "quorumkeep.keysVolume" -}}
- name: keys
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end -}}
