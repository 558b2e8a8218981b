#!/usr/bin/env python3
"""Runs the scripts that containers begin with, as they were rendered, in a folder that looks as a kubelet makes it.

    start_scripts.py FILE [PROGRAM]

FILE is rendered with everything on. `copy-keys` must give the program files that nobody else may read, whatever the mode of the
mounted Secret. With PROGRAM, the real quorumkeep, `charter` must make a custody once and keep it, and every command that a
container begins with must be one that the program understands. Exit status 1 if not.
"""

import os
import pathlib
import stat
import subprocess
import sys
import tempfile

import yaml

# The exit status of a command that is written wrong.
USAGE = 2


def containers(path):
    """Every container of a rendered file."""
    found = []
    with open(path, encoding="utf-8") as file:
        for document in filter(None, yaml.safe_load_all(file)):
            spec = document.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            pod = spec.get("template", {}).get("spec", {})
            found += [*pod.get("initContainers", []), *pod.get("containers", [])]
    return found


def scripts(path, name):
    """The script of every container with this name."""
    found = [container["args"][0] for container in containers(path) if container["name"] == name]
    if not found:
        raise SystemExit(f"error: {path} has no container {name}")
    return found


def run(script, root, path=None):
    for folder in ("data", "people", "secret", "keys"):
        script = script.replace(f"/{folder}", f"{root}/{folder}")
    environment = dict(os.environ, PATH=f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"])
    return subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


def mounted(root, files):
    """A Secret as a kubelet mounts it for a group: links into a hidden folder, readable by the group."""
    (root / "..2026").mkdir(parents=True)
    (root / "..data").symlink_to("..2026")
    for name, text in files.items():
        (root / "..2026" / name).write_text(text)
        (root / "..2026" / name).chmod(0o440)
        (root / name).symlink_to(f"..data/{name}")


def copies_keys(script):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "keys").mkdir()
        files = {"tls.key": "one\n", "signer.key": "two, without a new line"}
        mounted(root / "secret", files)
        done = run(script, root)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in (root / "keys").iterdir()) == sorted(files), "other files"
        for name, text in files.items():
            copy = root / "keys" / name
            assert copy.read_text() == text and not copy.is_symlink(), f"{name} is not a copy"
            assert stat.S_IMODE(copy.stat().st_mode) == 0o400, f"{name} may be read by others"


def makes_charter(script, program):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in ("bin", "people", "data"):
            (root / name).mkdir()
        (root / "bin/quorumkeep").symlink_to(pathlib.Path(program).resolve())
        nobody = run(script, root, root / "bin")
        assert nobody.returncode != 0 and not (root / "data/custody/charter.json").exists(), "a custody of nobody"
        for name, role in (("olga", "operations"), ("boris", "owner"), ("sara", "security")):
            card, key = root / f"people/{name}.json", root / f"{name}.key"
            subprocess.run([program, "person", "new", name, "--role", role, "--out", key, "--card", card],
                           check=True, capture_output=True)
        first = run(script, root, root / "bin")
        assert first.returncode == 0 and '"custody":"' in first.stdout, first.stderr
        charter = (root / "data/custody/charter.json").read_bytes()
        again = run(script, root, root / "bin")
        assert again.returncode == 0 and (root / "data/custody/charter.json").read_bytes() == charter, "not kept"


def understands(path, program):
    """Its files are not here, so that each command fails, but not because of how it is written."""
    commands = [container["args"] for container in containers(path) if container.get("command") == ["quorumkeep"]]
    assert commands, "no container runs the program"
    with tempfile.TemporaryDirectory() as folder:
        def status(arguments):
            return subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=60).returncode
        for arguments in commands:
            assert status(arguments) not in (0, USAGE), f"not understood: {arguments}"
            assert status([*arguments, "--no-such-option"]) == USAGE, f"anything is understood: {arguments}"
    print(f"{len(commands)} commands: ok")


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    try:
        for script in set(scripts(sys.argv[1], "copy-keys")):
            copies_keys(script)
        print("copy-keys: ok")
        if len(sys.argv) == 3:
            makes_charter(scripts(sys.argv[1], "charter")[0], sys.argv[2])
            print("charter: ok")
            understands(sys.argv[1], sys.argv[2])
        else:
            print("skipped: charter; QUORUMKEEP names no program")
    except AssertionError as error:
        raise SystemExit(f"error: {error}") from error


main()
