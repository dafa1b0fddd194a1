#!/usr/bin/env python3
"""A stand-in for Miniconda that can be tested with: installers of both formats, and a channel, of real packages.

standin_conda.py DIRECTORY    makes them there, unless they are there:
    installers/miniconda/Miniconda3-4.5.12-Linux-x86_64.sh          the format of 2018 (constructor 2), .tar.bz2
    installers/miniconda/Miniconda3-py311_24.1.2-0-Linux-x86_64.sh  today's format (constructor 3), .conda
    installers/miniconda/Miniconda3-py311_26.7.1-0-Linux-x86_64.sh  the same with the conda whose lines of files are match specs
    channel/{linux-64,noarch}                                       what is in them, dash and gunicorn with all they need

Python is the host's (Debian's 3.11), which runs where Debian 12's libraries are; packages come from wheels, these from
the package index; conda is standin_conda_cli.py over py-rattler. The old installer can be run, the new one only be read.
"""

import bz2
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import conda_channel
from conda_channel import PLACEHOLDER, PYTHON, RATTLER, Package, tar_bytes

WHEELS = [RATTLER, "pip", "setuptools<80", "dash==3.3.0", "gunicorn==23.0.0", "six==1.16.0", "six==1.17.0", "humanize==4.12.3"]
URL = "https://conda.example/pkgs/main"
OLD, NEW = ("Miniconda3-4.5.12", "4.5.12"), ("Miniconda3-py311_24.1.2-0", "24.1.2")
NEWEST = ("Miniconda3-py311_26.7.1-0", "26.7.1")
INSTALLED = ["python", "py-rattler", "pip", "setuptools", "conda"]

OLD_HEADER = """\
#!/bin/sh
#
# NAME:  Miniconda3
# VER:   4.5.12
# PLAT:  linux-64
# BYTES: {size:>12}
# LINES: {lines}
# MD5:   {md5}
set -e
PREFIX=$HOME/miniconda3
while getopts "bfhp:sut" option; do
  case $option in
    p) PREFIX=$OPTARG ;;
    h) exit 2 ;;
    *) ;;
  esac
done
mkdir -p "$PREFIX"
PREFIX=$(cd "$PREFIX" && pwd)
this=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
cd "$PREFIX"
tail -n +{lines} "$this" | tar xf -
tar xjf preconda.tar.bz2
cd pkgs
for archive in *.tar.bz2; do
  mkdir -p "${{archive%.tar.bz2}}"
  tar xjf "$archive" -C "${{archive%.tar.bz2}}"
  echo "installing: ${{archive%.tar.bz2}} ..."
done
cd "$PREFIX"
pkgs/python-*/bin/python -E -s pkgs/.install.py "$PREFIX"
rm -f preconda.tar.bz2
mkdir -p envs
echo "installation finished."
exit 0
@@END_HEADER@@
"""

NEW_HEADER = """\
#!/bin/sh
#
# NAME:  Miniconda3
# VER:   {version}
# PLAT:  linux-64
# MD5:   {md5}
echo "this stand-in is only read" >&2
exit 1
boundary0=$(head -n "${{last_line}}" "${{THIS_PATH}}" | wc -c | sed 's/ //g')
boundary1=$(( boundary0 + {first} ))
boundary2=$(( boundary1 + {second} ))
@@END_HEADER@@
"""

# Links all packages in pkgs/ and writes their records.
INSTALL = '''\
import glob, json, os, shutil, sys
prefix = sys.argv[1]
for info in sorted(glob.glob(prefix + "/pkgs/*/info")):
    package = os.path.dirname(info)
    if not os.path.exists(info + "/files"):
        continue
    replaced = {}
    if os.path.exists(info + "/has_prefix"):
        for line in open(info + "/has_prefix"):
            placeholder, mode, path = line.rstrip("\\n").split(" ", 2)
            replaced[path] = placeholder
    files = open(info + "/files").read().splitlines()
    for path in files:
        target = os.path.join(prefix, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(package, path), target, follow_symlinks=False)
        if path in replaced:
            content = open(target, "rb").read()
            open(target, "wb").write(content.replace(replaced[path].encode(), prefix.encode()))
    record = json.load(open(info + "/repodata_record.json"))
    record.update(files=files, link={"source": package, "type": 1}, paths_data=json.load(open(info + "/paths.json")))
    os.makedirs(prefix + "/conda-meta", exist_ok=True)
    with open(prefix + "/conda-meta/" + os.path.basename(package) + ".json", "w") as file:
        json.dump(record, file, indent=1)
'''


def get_wheels(directory):
    """Wheels of everything; versions that exclude each other one after the other."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    pip += ["--python-version", PYTHON, "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]
    if (directory / "complete").exists():
        return sorted(directory.glob("*.whl"))
    directory.mkdir(parents=True, exist_ok=True)
    alone = [name for name in WHEELS if name.startswith("six==1.16")]
    for names in ([name for name in WHEELS if name not in alone], alone):
        subprocess.run([*pip, "--dest", str(directory), *names], check=True)
    (directory / "complete").touch()
    return sorted(directory.glob("*.whl"))


def dependencies(wheel, python=PYTHON):
    """What the wheel needs with this Python, as conda says it."""
    from pip._vendor.packaging.requirements import Requirement

    import email
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    environment = {"python_version": python, "python_full_version": python + ".2", "sys_platform": "linux", "extra": ""}
    environment |= {"platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython"}
    environment |= {"platform_python_implementation": "CPython", "platform_machine": "x86_64"}
    out = []
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            versions = ",".join(sorted(str(one) for one in requirement.specifier))
            out.append(f"{re.sub(r'[-_.]+', '-', requirement.name).lower()} {versions}".strip())
    return out


def python_package():
    """The host's Python without what Debian changed: packages are in site-packages."""
    package = conda_channel.host_python()
    package.index["depends"] = []
    sysconfig = f"lib/python{PYTHON}/sysconfig.py"
    content = next(content for entry, content in package.entries if entry.name == sysconfig)
    package.entries = [(entry, body) for entry, body in package.entries if entry.name != sysconfig]
    package.paths = [entry for entry in package.paths if entry["_path"] != sysconfig]
    package.add(sysconfig, content.replace(b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'"))
    line = f"import site, sys; site.addsitedir(sys.prefix + '/lib/python{PYTHON}/site-packages')\n"
    package.add(f"lib/python{PYTHON}/dist-packages/_conda_layout.pth", line.encode())
    package.add_bytecode()
    return package


def conda_package(version):
    package = Package("conda", version, "py311_0", [f"python >={PYTHON},<4", "py-rattler"])
    source = pathlib.Path(__file__).with_name("standin_conda_cli.py").read_text().replace("@VERSION@", version)
    package.add(f"lib/python{PYTHON}/site-packages/standin_conda.py", source.encode())
    script = f"#!{PLACEHOLDER}/bin/python -E\nfrom standin_conda import main\nmain()\n"
    package.add("bin/conda", script.encode(), 0o755, PLACEHOLDER)
    return package


def record_of(package, path):
    content = path.read_bytes()
    return {
        **package.index, "md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content)}


def make_channel(directory, wheels):
    """{file name: (path, record)} of the channel's packages, each in one of the two formats or both."""
    channel = directory / "channel"
    out = {}

    def add(package, kind):
        path = package.write(channel, kind)
        out[path.name] = (path, record_of(package, path))

    for version in (OLD[1], NEW[1], NEWEST[1]):
        add(conda_package(version), "tar.bz2" if version == OLD[1] else "conda")
    packages = [python_package()]
    for wheel in wheels:
        package = conda_channel.from_wheel(wheel, arch_only=True)
        package.index["depends"] = [f"python >={PYTHON},<4", *dependencies(wheel)]
        # Modules of the others are compiled when they are installed, as those of noarch packages are.
        if package.index["name"] in INSTALLED:
            package.add_bytecode()
        packages.append(package)
    for package in packages:
        add(package, "tar.bz2")
        if package.index["name"] in INSTALLED:
            add(package, "conda")
    # One that today's conda would make, for any Python.
    noarch = next(wheel for wheel in wheels if wheel.name.startswith("humanize"))
    package = conda_channel.from_wheel(noarch)
    package.index |= {"build": "pyhd_1", "build_number": 1}
    add(package, "conda")
    write_repodata(channel, {name: record for name, (_, record) in out.items()})
    return out


def write_repodata(channel, records):
    for subdir in ("linux-64", "noarch"):
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
        for name, record in sorted(records.items()):
            if record["subdir"] == subdir:
                index["packages.conda" if name.endswith(".conda") else "packages"][name] = record
        (channel / subdir).mkdir(parents=True, exist_ok=True)
        (channel / subdir / "repodata.json").write_text(json.dumps(index, indent=1))


def member(name, content, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, conda_channel.MTIME
    return entry, content


def preconda(packages, more):
    urls = [f"{URL}/{record['subdir']}/{name}#{record['md5']}" for name, (_, record) in packages.items()]
    entries = [member("pkgs/urls", "".join(url + "\n" for url in urls).encode()), member("conda-meta/history", b""), *more]
    explicit = "\n".join(["# platform: linux-64", "@EXPLICIT", *urls, ""])
    entries.append(member("conda-meta/initial-state.explicit.txt", explicit.encode()))
    for name, (_, record) in packages.items():
        dist = re.sub(r"\.(tar\.bz2|conda)$", "", name)
        known = {**record, "url": f"{URL}/{record['subdir']}/{name}", "channel": URL, "fn": name}
        entries.append(member(f"pkgs/{dist}/info/repodata_record.json", json.dumps(known, indent=2).encode()))
    return bz2.compress(tar_bytes(entries))


def payload(packages, first):
    entries = [*first, member("LICENSE.txt", b"none\n")]
    entries += [member("pkgs/" + name, path.read_bytes()) for name, (path, _) in packages.items()]
    return tar_bytes(entries)


def chosen(packages, version, suffix):
    names = {f"{record['name']}-{record['version']}-{record['build']}{suffix}": record for _, record in packages.values()}
    wanted = [name for one in INSTALLED for name, record in names.items() if record["name"] == one]
    return {name: packages[name] for name in wanted if not name.startswith("conda-") or name.startswith(f"conda-{version}")}


def write_installer(directory, name, content):
    path = directory / "installers/miniconda" / f"{name}-Linux-x86_64.sh"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def make_old(directory, packages):
    """The installer of these packages, {file name: (path, record)}, in this order."""
    body = payload(packages, [member("preconda.tar.bz2", preconda(packages, [member("pkgs/.install.py", INSTALL.encode())]))])
    lines = OLD_HEADER.count("\n") + 1
    values = {"lines": lines, "md5": hashlib.md5(body).hexdigest()}
    size = len(OLD_HEADER.format(size=0, **values)) + len(body)
    write_installer(directory, OLD[0], OLD_HEADER.format(size=size, **values).encode() + body)


def make_new(directory, packages, name, version):
    packages = chosen(packages, version, ".conda")
    post = bz2.compress(tar_bytes([member("conda-meta/history", b"==> 2024-01-01 00:00:00 <==\n")]))
    body = payload(packages, [member("preconda.tar.bz2", preconda(packages, [])), member("postconda.tar.bz2", post)])
    first = b"\x7fELF stands for a program\n@@END_HEADER@@\n" * 1000
    md5 = hashlib.md5(first + body).hexdigest()
    header = NEW_HEADER.format(version=name.partition("-")[2], md5=md5, first=len(first), second=len(body))
    write_installer(directory, name, header.encode() + first + body)


def make(directory):
    """Makes all of it below `directory`, once for each version of the programs that do; returns where it is."""
    sources = [pathlib.Path(__file__).with_name(name) for name in ("standin_conda.py", "standin_conda_cli.py", "conda_channel.py")]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    target = pathlib.Path(directory) / f"standin-conda-{key}"
    if (target / "complete").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    wheels = get_wheels(pathlib.Path(directory) / f"standin-wheels-{hashlib.sha256(' '.join(WHEELS).encode()).hexdigest()[:12]}")
    packages = make_channel(target, wheels)
    make_old(target, chosen(packages, OLD[1], ".tar.bz2"))
    make_new(target, packages, *NEW)
    make_new(target, packages, *NEWEST)
    (target / "complete").touch()
    return target


if __name__ == "__main__":
    print(make(sys.argv[1]))
