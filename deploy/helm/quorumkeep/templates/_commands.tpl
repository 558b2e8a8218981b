{{/* The commands of the jobs, in one place. Each takes {root, target}. */}}

{{- define "quorumkeep.source" -}}
- --network={{ .root.Values.ten.network }}
{{- if eq .target.instance "network-secret" }}
- --node={{ .target.url }}
- --rpc-key={{ .target.rpcKey }}
{{- else }}
- --gateway={{ trimPrefix "gateway/" .target.instance }}={{ .target.url }}
{{- end }}
- --backup-key={{ .target.backupPublicKey }}
{{- if .root.Values.ten.trust.configMapName }}
- --roots=/trust/{{ .root.Values.ten.trust.configMapKey }}
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
- --signer={{ .root.Values.ten.signer.publicKey }}
- --age-hours-max={{ int .root.Values.ten.verify.ageHoursMax }}
- --json
{{- end -}}
