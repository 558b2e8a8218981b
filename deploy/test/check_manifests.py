#!/usr/bin/env python3
"""Checks of rendered manifests: the schemas of Kubernetes, and what this chart promises beyond them.

    check_manifests.py check FILE...    every rule on every file; prints each violation, exit 1 if there is one
    check_manifests.py plant FILE...    plants each mistake of PLANTS in a copy; exit 1 if a rule does not see its mistake

A rule is a function from the documents of one file to lines of text, one for each violation.
"""

import copy
import re
import sys

import kubernetes_validate
import yaml

# The oldest version that Chart.yaml allows, one in the middle, and the newest that is bundled.
KUBERNETES_VERSIONS = ["1.25.0", "1.30.0", "1.37.0"]
# Kinds that a cluster knows from an operator. Their schema is not bundled; `operator_kinds` looks at them.
OPERATOR_KINDS = {"ServiceMonitor"}
WORKLOADS = {"StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob", "Pod"}


class OnceLoader(yaml.SafeLoader):
    """A loader that refuses a key that stands twice, which YAML libraries overwrite in silence."""


def once(loader, node):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"the key {key!r} stands twice, line {node.start_mark.line + 1}")
    return loader.construct_mapping(node, deep=True)


OnceLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, once)


def load(path):
    with open(path, encoding="utf-8") as file:
        documents = [document for document in yaml.load_all(file, Loader=OnceLoader) if document]
    if not documents:
        raise SystemExit(f"error: {path} has no manifests")
    return documents


def name_of(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def workloads(documents):
    return [document for document in documents if document["kind"] in WORKLOADS]


def template_of(document):
    """The pod template of a workload: its metadata and spec."""
    if document["kind"] == "Pod":
        return document
    spec = document["spec"]
    return spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec["template"]


def containers(documents):
    """(where, container) of every container, those of the start too."""
    for document in workloads(documents):
        pod = template_of(document)["spec"]
        for container in pod.get("initContainers", []) + pod["containers"]:
            yield f"{name_of(document)}, container {container['name']}", container


def texts(value, path=""):
    """(path, text) of every text in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value


# ---------------------------------------------------------------------------------------------------------------------
# The rules


def schema(documents):
    """Every manifest is valid, without unknown fields, in every version of KUBERNETES_VERSIONS."""
    for document in documents:
        if document["kind"] in OPERATOR_KINDS:
            continue
        for version in KUBERNETES_VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(part) for part in error.path)
                yield f"{name_of(document)}: not valid in {version}: {where}: {error.message[:200]}"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name_of(document)}: {error.message}"


def operator_kinds(documents):
    """A ServiceMonitor finds a Service of this release and one of its ports, and checks the certificate."""
    for monitor in (document for document in documents if document["kind"] == "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        ports = {port["name"] for service in documents if service["kind"] == "Service"
                 and wanted.items() <= service["metadata"]["labels"].items() for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            tls = endpoint.get("tlsConfig", {})
            if endpoint["port"] not in ports:
                yield f"{name_of(monitor)}: no service has the port {endpoint['port']}"
            if endpoint.get("scheme") != "https" or "ca" not in tls or tls.get("insecureSkipVerify"):
                yield f"{name_of(monitor)}: does not check the certificate"


SECRETS = [
    ("32 bytes in hexadecimal", re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")),
    ("an age identity", re.compile(r"AGE-SECRET-KEY-1")),
    ("a private key in PEM", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("the words of a share", re.compile(r"\b(?:[a-z]{4,8}\s+){19,}[a-z]{4,8}\b")),
    ("a password in a URL", re.compile(r"://[^/\s@]+:[^/\s@]+@")),
]


def no_secret_in_clear(documents):
    """No manifest holds a secret: not as a Secret, not in an argument, not in an environment, not anywhere."""
    for document in documents:
        if document["kind"] == "Secret":
            yield f"{name_of(document)}: the chart makes no Secrets, it names them"
        for path, text in texts(document):
            bare = re.sub(r"@sha256:[0-9a-f]{64}|^--signer=[0-9a-f]{64}$", "", text)
            for what, pattern in SECRETS:
                if pattern.search(bare):
                    yield f"{name_of(document)}{path}: looks like {what}"
    for where, container in containers(documents):
        for variable in container.get("env", []):
            if re.search("SECRET|PASS|KEY|TOKEN", variable["name"].upper()) and variable.get("value"):
                yield f"{where}: {variable['name']} has its value in the manifest"


def nobody_is_root(documents):
    """Every pod and every container says that it is not root, with a user, and may not become it."""
    for document in workloads(documents):
        security = template_of(document)["spec"].get("securityContext", {})
        if not security.get("runAsNonRoot") or not security.get("runAsUser"):
            yield f"{name_of(document)}: the pod does not say that it is not root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name_of(document)}: no seccomp profile"
    for where, container in containers(documents):
        security = container.get("securityContext", {})
        if not security.get("runAsNonRoot") or security.get("runAsUser") == 0 or security.get("privileged"):
            yield f"{where}: may be root"
        if security.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: may gain privileges"
        if security.get("capabilities", {}).get("drop") != ["ALL"] or security["capabilities"].get("add"):
            yield f"{where}: keeps capabilities"


def root_is_read_only(documents):
    """The root file system of every container is read-only."""
    for where, container in containers(documents):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{where}: writes to its image"


def limits_are_set(documents):
    """Every container has requests and limits of processor and memory, every volume in memory or on the node a size."""
    for where, container in containers(documents):
        for kind in ("requests", "limits"):
            missing = {"cpu", "memory"} - set(container.get("resources", {}).get(kind, {}))
            if missing:
                yield f"{where}: no {kind} of {', '.join(sorted(missing))}"
    for document in workloads(documents):
        for volume in template_of(document)["spec"].get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{name_of(document)}: the volume {volume['name']} has no size"


def policy_covers_every_pod(documents):
    """Every pod is selected by a NetworkPolicy for both directions, and none opens a direction to everybody."""
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    for document in workloads(documents):
        labels = template_of(document)["metadata"]["labels"]
        covered = set()
        for policy in policies:
            if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items():
                covered |= set(policy["spec"]["policyTypes"])
        for direction in {"Ingress", "Egress"} - covered:
            yield f"{name_of(document)}: no NetworkPolicy for {direction}"
    for policy in policies:
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction) or []:
                if not rule.get(peers) or not rule.get("ports"):
                    yield f"{name_of(policy)}: {direction} is open to everybody"
                for peer in rule.get(peers) or []:
                    if not peer or peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0"):
                        yield f"{name_of(policy)}: {direction} is open to everybody"


def keys_stay_private(documents):
    """Only the container that copies keys sees a mounted Secret, the copies are in memory, and no volume is opened to the
    group again at each start (the program refuses a key file that others may read)."""
    for document in workloads(documents):
        pod = template_of(document)["spec"]
        secret = {volume["name"] for volume in pod.get("volumes", []) if "secret" in volume}
        if "fsGroup" in pod.get("securityContext", {}) and pod["securityContext"].get("fsGroupChangePolicy") != "OnRootMismatch":
            yield f"{name_of(document)}: modes of key files are changed at each start"
        for volume in pod.get("volumes", []):
            if volume["name"] == "keys" and volume.get("emptyDir", {}).get("medium") != "Memory":
                yield f"{name_of(document)}: keys are copied to a disk"
        for container in pod["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] in secret:
                    yield f"{name_of(document)}: {container['name']} reads a mounted Secret, whose mode the program refuses"


def nobody_talks_to_kubernetes(documents):
    """No pod gets a token of the cluster, and there are no roles."""
    for document in documents:
        if document["kind"] in {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}:
            yield f"{name_of(document)}: nothing here needs a role"
    for document in workloads(documents):
        if template_of(document)["spec"].get("automountServiceAccountToken") is not False:
            yield f"{name_of(document)}: gets a token of the cluster"


def selectors_meet(documents):
    """Services and budgets select pods of this release, volumes are mounted from volumes that exist, one custody runs."""
    pods = [template_of(document)["metadata"]["labels"] for document in workloads(documents)]
    for document in documents:
        selector = document.get("spec", {}).get("selector")
        if document["kind"] in {"Service", "PodDisruptionBudget"}:
            wanted = selector.get("matchLabels", selector)
            if not any(wanted.items() <= labels.items() for labels in pods):
                yield f"{name_of(document)}: selects no pod"
        if document["kind"] == "StatefulSet" and document["spec"].get("replicas") != 1:
            yield f"{name_of(document)}: two processes would want one custody"
    for document in workloads(documents):
        pod = template_of(document)["spec"]
        known = {volume["name"] for volume in pod.get("volumes", [])}
        known |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
        for container in pod.get("initContainers", []) + pod["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in known:
                    yield f"{name_of(document)}: {container['name']} mounts {mount['name']}, which does not exist"


RULES = [schema, operator_kinds, no_secret_in_clear, nobody_is_root, root_is_read_only, limits_are_set,
         policy_covers_every_pod, keys_stay_private, nobody_talks_to_kubernetes, selectors_meet]

# ---------------------------------------------------------------------------------------------------------------------
# Mistakes on purpose: (rule that must see it, what is done, function that does it or returns IMPOSSIBLE)

IMPOSSIBLE = object()


def first(documents, kind=None):
    return next((d for d in documents if (d["kind"] == kind if kind else d["kind"] in WORKLOADS)), None)


def pod(documents):
    return template_of(first(documents))["spec"]


def container(documents):
    return pod(documents)["containers"][0]


def security(documents):
    return container(documents)["securityContext"]


def of_kind(kind, change):
    """A mistake that is possible only where a document of this kind is."""
    def planted(documents):
        document = first(documents, kind)
        return IMPOSSIBLE if document is None else change(document)
    return planted


def in_volume(key, change):
    def planted(documents):
        for document in workloads(documents):
            for volume in template_of(document)["spec"]["volumes"]:
                if key in volume:
                    return change(document, volume)
        return IMPOSSIBLE
    return planted


def mount_secret(document, volume):
    template_of(document)["spec"]["containers"][0]["volumeMounts"].append({"name": volume["name"], "mountPath": "/s"})


HEX = "9f" * 32
WORDS = " ".join(["academic", "acid", "acne", "acquire"] * 8 + ["again"])

PLANTS = [
    (schema, "a field with a typing error", lambda d: container(d).update(comand=["sh"])),
    (schema, "a port that is a text", of_kind("Service", lambda s: s["spec"]["ports"][0].update(port="https"))),
    (schema, "an API version of the past", of_kind("CronJob", lambda s: s.update(apiVersion="batch/v1beta9"))),
    (schema, "a missing selector", of_kind("StatefulSet", lambda s: s["spec"].pop("selector"))),
    (operator_kinds, "a port that is not there", of_kind("ServiceMonitor", lambda s: s["spec"]["endpoints"][0].update(port="web"))),
    (operator_kinds, "no certificate", of_kind("ServiceMonitor", lambda s: s["spec"]["endpoints"][0].pop("tlsConfig"))),
    (no_secret_in_clear, "a secret as an argument", lambda d: container(d)["args"].append(f"--secret=0x{HEX}")),
    (no_secret_in_clear, "a secret in upper case", lambda d: container(d)["args"].append(HEX.upper())),
    (no_secret_in_clear, "a secret in the environment",
     lambda d: container(d).update(env=[{"name": "ENCLAVE_SHAREDSECRET", "value": "x"}])),
    (no_secret_in_clear, "a Secret", lambda d: d.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})),
    (no_secret_in_clear, "an age identity", lambda d: d[0]["metadata"].update(annotations={"a": "AGE-SECRET-KEY-1QQ"})),
    (no_secret_in_clear, "words", lambda d: d[0]["metadata"].update(annotations={"a": WORDS})),
    (no_secret_in_clear, "a PEM", lambda d: d[0]["metadata"].update(annotations={"a": "-----BEGIN EC PRIVATE KEY-----"})),
    (no_secret_in_clear, "a password in a URL", lambda d: container(d)["args"].append("--url=http://u:p@host")),
    (nobody_is_root, "no user", lambda d: pod(d)["securityContext"].pop("runAsUser")),
    (nobody_is_root, "root", lambda d: security(d).update(runAsNonRoot=False)),
    (nobody_is_root, "user 0", lambda d: security(d).update(runAsUser=0)),
    (nobody_is_root, "privileged", lambda d: security(d).update(privileged=True)),
    (nobody_is_root, "privileges that can grow", lambda d: security(d).pop("allowPrivilegeEscalation")),
    (nobody_is_root, "a capability", lambda d: security(d)["capabilities"].update(add=["NET_ADMIN"])),
    (nobody_is_root, "no seccomp", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    (root_is_read_only, "a root that can be written", lambda d: security(d).update(readOnlyRootFilesystem=False)),
    (root_is_read_only, "no word about the root", lambda d: security(d).pop("readOnlyRootFilesystem")),
    (limits_are_set, "no limit of memory", lambda d: container(d)["resources"]["limits"].pop("memory")),
    (limits_are_set, "no resources", lambda d: container(d).pop("resources")),
    (limits_are_set, "a volume without a size", in_volume("emptyDir", lambda _, v: v["emptyDir"].pop("sizeLimit"))),
    (policy_covers_every_pod, "no policy", lambda d: d.remove(first(d, "NetworkPolicy"))),
    (policy_covers_every_pod, "a policy for one direction",
     of_kind("NetworkPolicy", lambda p: p["spec"].update(policyTypes=["Ingress"]))),
    (policy_covers_every_pod, "a policy for other pods",
     of_kind("NetworkPolicy", lambda p: p["spec"]["podSelector"]["matchLabels"].update({"app.kubernetes.io/component": "x"}))),
    (policy_covers_every_pod, "out to everybody", of_kind("NetworkPolicy", lambda p: p["spec"].update(egress=[{}]))),
    (policy_covers_every_pod, "in from the whole Internet", of_kind("NetworkPolicy", lambda p: p["spec"].update(
        ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 1}]}]))),
    (keys_stay_private, "modes changed at each start", lambda d: pod(d)["securityContext"].pop("fsGroupChangePolicy")),
    (keys_stay_private, "keys on a disk", in_volume("emptyDir", lambda _, v: v.update(name="keys", emptyDir={"sizeLimit": "1Mi"}))),
    (keys_stay_private, "a Secret in the program's container", in_volume("secret", mount_secret)),
    (nobody_talks_to_kubernetes, "a token", lambda d: pod(d).pop("automountServiceAccountToken")),
    (nobody_talks_to_kubernetes, "a role", lambda d: d.append(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []})),
    (selectors_meet, "a service for nobody", of_kind("Service", lambda s: s["spec"]["selector"].update(a="b"))),
    (selectors_meet, "a budget for nobody",
     of_kind("PodDisruptionBudget", lambda s: s["spec"]["selector"]["matchLabels"].update(a="b"))),
    (selectors_meet, "two custodies", of_kind("StatefulSet", lambda s: s["spec"].update(replicas=2))),
    (selectors_meet, "a volume that is not there",
     lambda d: container(d)["volumeMounts"].append({"name": "none", "mountPath": "/n"})),
]


def check(paths):
    bad = 0
    for path in paths:
        documents = load(path)
        found = [f"{rule.__name__}: {line}" for rule in RULES for line in rule(documents)]
        print(f"{path}: {len(documents)} manifests, {len(RULES)} rules, {len(found)} violations")
        for line in found:
            print(f"  {line}")
        bad += len(found)
    return bad


def plant(paths):
    """Every mistake is planted wherever it is possible, and must be possible somewhere."""
    bad = 0
    files = {path: load(path) for path in paths}
    for rule, what, change in PLANTS:
        tried = 0
        for path, original in files.items():
            documents = copy.deepcopy(original)
            if change(documents) is IMPOSSIBLE:
                continue
            tried += 1
            if next(iter(rule(documents)), None) is None:
                bad += 1
                print(f"{path}: {rule.__name__} does not see {what}")
        if not tried:
            bad += 1
            print(f"no file in which {what} could be planted for {rule.__name__}")
    untested = {rule for rule in RULES} - {rule for rule, _, _ in PLANTS}
    for rule in untested:
        bad += 1
        print(f"no mistake is planted for {rule.__name__}")
    print(f"{len(PLANTS)} kinds of mistakes planted in {len(paths)} files, {bad} not seen")
    return bad


def main():
    commands = {"check": check, "plant": plant}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    sys.exit(1 if commands[sys.argv[1]](sys.argv[2:]) else 0)


main()
