{{/* The commands of the jobs, in one place. Each takes {root, target}. */}}

{{- define "quorumkeep.source" -}}
- --network={{ .root.Values.ten.network }}
- --instance={{ .target.instance }}
- --url={{ .target.url }}
- --backup-public-key={{ .target.backupPublicKey }}
{{- with .target.rpcKey }}
- --rpc-key={{ . }}
{{- end }}
{{- if .root.Values.ten.trust.configMapName }}
- --root-certificates=/trust/{{ .root.Values.ten.trust.configMapKey }}
{{- end }}
{{- end -}}

{{- define "quorumkeep.backupCommand" -}}
- ten
- backup
{{ include "quorumkeep.source" . }}
- --as=/keys/{{ .root.Values.ten.signer.secretKey }}
- --out-dir=/backups
- --json
{{- end -}}

{{- define "quorumkeep.verifyCommand" -}}
- ten
- verify
{{ include "quorumkeep.source" . }}
- --backup-dir=/backups
- --signer=/signer/{{ .root.Values.ten.signer.cardKey }}
- --age-hours-max={{ int .root.Values.ten.verify.ageHoursMax }}
- --json
{{- end -}}
