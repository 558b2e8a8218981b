{{/* What the schema cannot say. Every message names the value and what to do. */}}
{{- define "quorumkeep.validate" -}}
{{- $v := .Values -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository is empty: name the image that holds the program quorumkeep" -}}
{{- end -}}
{{- if not (or $v.image.tag $v.image.digest) -}}
{{- fail "image.tag and image.digest are empty: name exactly one version, best by its digest" -}}
{{- end -}}
{{- if eq $v.image.tag "latest" -}}
{{- fail "image.tag is 'latest', which is another program tomorrow: name a version or a digest" -}}
{{- end -}}
{{- if not (or $v.custody.enabled $v.ten.targets) -}}
{{- fail "nothing to run: custody.enabled is false and ten.targets is empty" -}}
{{- end -}}
{{- if $v.custody.enabled -}}
{{- if not $v.custody.name -}}
{{- fail "custody.name is empty: it goes into the charter at the first start and cannot be changed afterwards" -}}
{{- end -}}
{{- if not $v.custody.peopleConfigMap -}}
{{- fail "custody.peopleConfigMap is empty: a custody begins with the cards of at least one of operations, one owner and one of security" -}}
{{- end -}}
{{- end -}}
{{- if $v.serviceMonitor.enabled -}}
{{- if not $v.custody.enabled -}}
{{- fail "serviceMonitor.enabled without custody.enabled: only the custody has metrics" -}}
{{- end -}}
{{- if not $v.custody.tls.secretName -}}
{{- fail "serviceMonitor.enabled needs custody.tls.secretName with ca.crt: the certificate would not be checked otherwise" -}}
{{- end -}}
{{- if not $v.networkPolicy.monitoring -}}
{{- fail "serviceMonitor.enabled needs networkPolicy.monitoring: nothing else may reach the metrics" -}}
{{- end -}}
{{- end -}}
{{- if $v.ten.targets -}}
{{- include "quorumkeep.validateTen" . -}}
{{- end -}}
{{- end -}}

{{- define "quorumkeep.validateTen" -}}
{{- $ten := .Values.ten -}}
{{- if not $ten.network -}}
{{- fail "ten.network is empty: it is part of the identity of every backup key (ten://backup@NETWORK/...)" -}}
{{- end -}}
{{- if not $ten.signer.secretName -}}
{{- fail "ten.signer.secretName is empty: name the Secret with the key file that signs backups" -}}
{{- end -}}
{{- if not $ten.signer.publicKey -}}
{{- fail "ten.signer.publicKey is empty: name the key of the signer's card; a backup of whoever else wrote into the volume would be believed otherwise" -}}
{{- end -}}
{{- $names := dict -}}
{{- $instances := dict -}}
{{- $keys := dict -}}
{{- range $ten.targets -}}
{{- if hasKey $names .name -}}
{{- fail (printf "ten.targets: the name %q stands twice" .name) -}}
{{- end -}}
{{- if and (eq .instance "network-secret") (not .rpcKey) -}}
{{- fail (printf "ten.targets: %s backs up the network secret without rpcKey; without an RPC key from an independent source a man in the middle can serve a secret of his own" .name) -}}
{{- end -}}
{{- if and (ne .instance "network-secret") .rpcKey -}}
{{- fail (printf "ten.targets: %s is a gateway and has no RPC key of its own: remove rpcKey" .name) -}}
{{- end -}}
{{- if eq (default "" .rpcKey) "A4cZ99QUYAtAPGQrjdizgxe9kSeY2GGMidcCoFllVF+I" -}}
{{- fail (printf "ten.targets: rpcKey of %s is the one of the all-zero secret: that node runs on 32 zero bytes. Do not back it up, see docs/runbooks/verify.md" .name) -}}
{{- end -}}
{{- if and (hasKey $keys .backupPublicKey) (not $ten.allowSharedBackupKey) (ne (get $keys .backupPublicKey) .instance) -}}
{{- fail (printf "ten.targets: %s and %s have one backup key, so whoever recovers one can open the other; make a key for each, or set ten.allowSharedBackupKey" (get $keys .backupPublicKey) .instance) -}}
{{- end -}}
{{- $known := get $instances .instance -}}
{{- if and $known (ne $known .backupPublicKey) -}}
{{- fail (printf "ten.targets: %s has two backup keys; an inventory would call one of them wrong" .instance) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- $_ := set $instances .instance .backupPublicKey -}}
{{- $_ := set $keys .backupPublicKey .instance -}}
{{- end -}}
{{- end -}}
