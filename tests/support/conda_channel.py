#!/usr/bin/env python3
"""A channel of real conda packages, and what py-rattler makes of it: the judge of native installation.

conda_channel.py make DIRECTORY WHEELS NAME...  packages of the host's Python, of these wheels and odd ones in
    DIRECTORY/channel; all of them installed by py-rattler in DIRECTORY/expected, as if it were the prefix;
    DIRECTORY/lock.txt with their URLs.
conda_channel.py records OURS THEIRS SCRATCH    compares the records in conda-meta of two prefixes.

py-rattler comes from the package index, once, into SCRATCH, or the directory that DIRECTORY is in.
"""

import asyncio
import bz2
import email
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

RATTLER = "py-rattler==0.28.0"
PREFIX = "/app/.heroku/miniconda"
PLACEHOLDER = "/home/conda/feedstock_root/build_artifacts/" + "_h_env_placehold" * 13
PYTHON = "3.11"
MTIME = 1_600_000_000
WITHOUT = {"test", "idlelib", "__pycache__", "turtledemo", "lib2to3", "dist-packages"}


def import_rattler(scratch):
    target = scratch / RATTLER.replace("==", "-")
    if not (target / "complete").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--root-user-action=ignore", "--target", str(target), "--upgrade", RATTLER], check=True)
        (target / "complete").touch()
    sys.path.insert(0, str(target))
    import rattler

    return rattler


class Package:
    """Files of a package and its metadata; `write` makes an archive of either kind in a channel and returns its path."""

    def __init__(self, name, version, build="0", depends=(), noarch=None):
        self.index = {"name": name, "version": version, "build": build, "build_number": 0, "depends": list(depends)}
        self.index |= {"subdir": "noarch" if noarch else "linux-64", "license": "x"}
        if noarch:
            self.index["noarch"] = noarch
        self.info = {}
        self.entries = []  # TarInfo, content
        self.paths = []
        self.has_paths = True

    def add(self, path, content, mode=0o644, placeholder=None, binary=False, **more):
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode, entry.mtime = len(content), mode, MTIME
        self.entries.append((entry, content))
        record = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
        record["size_in_bytes"] = len(content)
        if placeholder:
            record |= {"prefix_placeholder": placeholder, "file_mode": "binary" if binary else "text"}
        self.paths.append(record | more)

    def link(self, path, target, kind=tarfile.SYMTYPE):
        entry = tarfile.TarInfo(path)
        entry.type, entry.linkname, entry.mode, entry.mtime = kind, target, 0o777, MTIME
        self.entries.append((entry, b""))
        if kind == tarfile.SYMTYPE:
            self.paths.append({"_path": path, "path_type": "softlink"})
        else:
            original = next(entry for entry in self.paths if entry["_path"] == target)
            self.paths.append(original | {"_path": path})

    def add_bytecode(self, interpreter=f"/usr/bin/python{PYTHON}"):
        """What packages for one Python bring: a .pyc of each module, made where the package was built."""
        with tempfile.TemporaryDirectory() as scratch:
            for entry, content in self.entries:
                if entry.name.endswith(".py") and entry.isreg():
                    path = pathlib.Path(scratch, entry.name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                    os.utime(path, (entry.mtime, entry.mtime))
            # Fails for some: there are files that show what does not compile.
            subprocess.run([interpreter, "-m", "compileall", "-qq", "-j0", "lib"], cwd=scratch, check=False,
                           env={"PYTHONHASHSEED": "0"})
            for path in sorted(pathlib.Path(scratch).rglob("*.pyc")):
                self.add(str(path.relative_to(scratch)), path.read_bytes())

    def info_files(self):
        files = {"index.json": json.dumps(self.index), **self.info}
        files["files"] = "".join(entry["_path"] + "\n" for entry in self.paths)
        prefixes = [entry for entry in self.paths if "prefix_placeholder" in entry]
        if prefixes:
            lines = ['{prefix_placeholder} {file_mode} {_path}\n'.format(**entry) for entry in prefixes]
            files["has_prefix"] = "".join(lines)
        if self.has_paths:
            files["paths.json"] = json.dumps({"paths": self.paths, "paths_version": 1})
        return files

    def write(self, channel, kind):
        directory = channel / self.index["subdir"]
        directory.mkdir(parents=True, exist_ok=True)
        stem = "{name}-{version}-{build}".format(**self.index)
        info = [(tarfile.TarInfo("info/" + name), text.encode()) for name, text in self.info_files().items()]
        for entry, content in info:
            entry.size = len(content)
        if kind == "tar.bz2":
            path = directory / f"{stem}.tar.bz2"
            path.write_bytes(bz2.compress(tar_bytes(info + self.entries), 1))
            return path
        path = directory / f"{stem}.conda"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
            for part, entries in (("info", info), ("pkg", self.entries)):
                with archive.open(f"{part}-{stem}.tar.zst", "w", force_zip64=part == "pkg") as file:
                    file.write(zstd(tar_bytes(entries)))
        return path


def tar_bytes(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zstd(content):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout


def host_python():
    """The host's Python as a package: it finds its library beside itself. Its shared libraries are the host's."""
    version = subprocess.run([f"/usr/bin/python{PYTHON}", "-c", "import platform; print(platform.python_version())"],
                             stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    package = Package("python", version, "h_0_cpython", ["base-libs"])
    package.add(f"bin/python{PYTHON}", pathlib.Path(f"/usr/bin/python{PYTHON}").read_bytes(), 0o755)
    package.link("bin/python", f"python{PYTHON}")
    package.link("bin/python3", f"python{PYTHON}")
    library = pathlib.Path(f"/usr/lib/python{PYTHON}")
    for path in sorted(library.rglob("*")):
        relative = path.relative_to(library)
        if WITHOUT & set(relative.parts) or relative.name in ("EXTERNALLY-MANAGED", "sitecustomize.py"):
            continue
        if path.is_file() and not path.is_symlink():
            package.add(f"lib/python{PYTHON}/{relative}", path.read_bytes())
    return package


def from_wheel(path, arch_only=False, python=PYTHON):
    """A package of a wheel; `arch_only`: for this Python alone, as all packages once were."""
    with zipfile.ZipFile(path) as wheel:
        names = [info for info in wheel.infolist() if not info.is_dir()]
        tops = [info.filename.split("/")[0] for info in names]
        dist_info = next(top for top in tops if top.endswith(".dist-info"))
        metadata = email.message_from_bytes(wheel.read(dist_info + "/METADATA"))
        is_pure = not arch_only and "Root-Is-Purelib: true" in wheel.read(dist_info + "/WHEEL").decode()
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        package = Package(name, metadata["Version"].replace("-", "_"), "py_0", [f"python >={python},<4"],
                          "python" if is_pure else None)
        site = "site-packages" if is_pure else f"lib/python{python}/site-packages"
        scripts = "python-scripts" if is_pure else "bin"
        for info in names:
            parts = info.filename.split("/")
            content = wheel.read(info)
            mode = 0o755 if (info.external_attr >> 16) & 0o111 else 0o644
            if not parts[0].endswith(".data"):
                package.add(f"{site}/{info.filename}", content, mode)
            elif parts[1] == "scripts":
                shebang = b"#!" + PLACEHOLDER.encode() + b"/bin/python"
                package.add(f"{scripts}/{parts[2]}", content.replace(b"#!python", shebang, 1), 0o755, PLACEHOLDER)
            else:
                package.add("/".join(parts[2:]) if parts[1] == "data" else f"{site}/{'/'.join(parts[2:])}", content, mode)
        entry_points = []
        if any(info.filename == dist_info + "/entry_points.txt" for info in names):
            text = wheel.read(dist_info + "/entry_points.txt").decode()
            section = re.search(r"^\[console_scripts\]\s*$(.*?)(?=^\[|\Z)", text, re.M | re.S)
            lines = section[1].splitlines() if section else []
            entry_points = [line.split("[")[0].strip() for line in lines if "=" in line]
        if is_pure:
            package.info["link.json"] = json.dumps(
                {"noarch": {"type": "python", "entry_points": entry_points}, "package_metadata_version": 1})
        else:
            for entry in entry_points:
                script, module, function = re.fullmatch(r"([^=]+)=([^:]+):(.+)", entry).groups()
                text = f"#!{PLACEHOLDER}/bin/python\nfrom {module.strip()} import {function.strip()}\n{function.strip()}()\n"
                package.add(f"bin/{script.strip()}", text.encode(), 0o755, PLACEHOLDER)
        return package


def odd_packages():
    """Everything that packages of the last ten years do differently."""
    libs = Package("base-libs", "1.0")
    library = b"\x7fELF" + b"".join(f"{PLACEHOLDER}/{x}:{PLACEHOLDER}".encode() + b"\0" for x in ("lib", "share")) + b"end"
    libs.add("lib/libbase.so.1", library, 0o755, PLACEHOLDER, binary=True)
    libs.link("lib/libbase.so", "libbase.so.1")
    libs.link("lib/alias.so", "lib/libbase.so.1", tarfile.LNKTYPE)
    libs.add("etc/base.conf", f"prefix={PLACEHOLDER}\nagain={PLACEHOLDER}/x".encode(), 0o664, PLACEHOLDER)
    libs.add("share/grüße/naïve ✓.txt", "ünïcode".encode())
    libs.add("share/" + "deep/" * 30 + "file", b"deep", 0o444)
    libs.add("var/state", b"mine", no_link=True)
    libs.add("share/placeholder-that-is-not-there", b"nothing", placeholder=PLACEHOLDER)
    yield libs, "conda"

    old = Package("old-style", "0.1", "1", ["base-libs"])
    old.has_paths = False
    old.add("bin/old-tool", f"#!{PLACEHOLDER}/bin/sh\n".encode(), 0o755, PLACEHOLDER)
    old.add("share/old/data", b"data")
    old.link("share/old/link", "data")
    yield old, "tar.bz2"

    font = Package("font-old", "2.0", noarch="generic")
    font.add("fonts/x.ttf", b"font" * 1000)
    font.index["noarch"] = True
    yield font, "tar.bz2"

    yield Package("only-info", "1.0"), "conda"

    winner = Package("clobber-b", "1.0", "0", ["clobber-a"])
    loser = Package("clobber-a", "1.0")
    for package in (loser, winner):
        package.add("share/clobber.txt", package.index["name"].encode())
        package.add(f"share/{package.index['name']}.txt", b"own")
    yield loser, "conda"
    yield winner, "tar.bz2"

    compiled = Package("with-bytecode", "1.0", "py_0", ["python"])
    source = b"x = 1\n"
    compiled.add(f"lib/python{PYTHON}/site-packages/shipped.py", source)
    header = (3495).to_bytes(2, "little") + b"\r\n" + bytes(4) + MTIME.to_bytes(4, "little")
    pyc = header + len(source).to_bytes(4, "little") + b"code"
    compiled.add(f"lib/python{PYTHON}/site-packages/__pycache__/shipped.cpython-311.pyc", pyc)
    yield compiled, "conda"


def make(directory, wheels, names):
    rattler = import_rattler(directory.parent)
    channel = directory / "channel"
    (channel / "noarch").mkdir(parents=True)
    packages = [(host_python(), "conda"), *odd_packages()]
    for i, name in enumerate(names):
        packages.append((from_wheel(next(wheels.glob(name + "-*.whl"))), "tar.bz2" if i % 3 == 0 else "conda"))
    for package, kind in packages:
        package.write(channel, kind)
    asyncio.run(install(rattler, directory, channel, [package.index["name"] for package, _ in packages]))


async def install(rattler, directory, channel, names):
    from rattler.index import index_fs

    await index_fs(channel, force=True)
    specs = [rattler.MatchSpec(name) for name in names]
    records = await rattler.solve(
        [rattler.Channel(channel.as_uri())], specs, platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect())
    await rattler.install(
        records, target_prefix=directory / "expected", cache_dir=directory / "cache", show_progress=False,
        alternative_target_prefix=PREFIX)
    lines = [f"{record.url}#{record.md5.hex()}" for record in records]
    (directory / "lock.txt").write_text("\n".join(["@EXPLICIT", *lines, ""]))


def record(path):
    with open(path, encoding="utf-8") as file:
        # py-rattler keeps the losers of clashes elsewhere.
        content = json.loads(re.sub(r'"__clobbers__/[^/"]+/', '"', file.read()))
    keys = ("name", "version", "build", "build_number", "depends", "subdir", "fn", "md5", "sha256", "license", "url")
    out = {key: content.get(key) for key in keys}
    out["paths"] = {
        entry["_path"]: entry for entry in content["paths_data"]["paths"] if entry["path_type"] != "pyc_file"
    }
    out["files"] = sorted(path for path in content["files"] if path in out["paths"])
    return out


def different(one, other):
    """Of what both say: one knows more of links, the other has the size after the prefix was replaced."""
    fields = {"path_type", "file_mode", "prefix_placeholder", "sha256", "sha256_in_prefix", "size_in_bytes"}
    fields &= one.keys() & other.keys()
    if one.get("prefix_placeholder") or ".pyc" in one["_path"]:
        fields -= {"size_in_bytes", "sha256_in_prefix"} if ".pyc" in one["_path"] else {"size_in_bytes"}
    return {key: (one[key], other[key]) for key in fields if one[key] != other[key]}


def compare_records(scratch, ours, theirs):
    rattler = import_rattler(scratch)
    names = sorted(path.name for path in (theirs / "conda-meta").glob("*.json"))
    found = sorted(path.name for path in (ours / "conda-meta").glob("*.json"))
    faults = [f"records: {set(names) ^ set(found)}"] if names != found else []
    paths = 0
    for name in names:
        rattler.PrefixRecord.from_path(ours / "conda-meta" / name)  # it can read ours
        one, other = record(ours / "conda-meta" / name), record(theirs / "conda-meta" / name)
        for key in one:
            if key != "paths" and one[key] != other[key]:
                faults.append(f"{name}: {key}: {one[key]!r} instead of {other[key]!r}")
        for path in sorted(one["paths"].keys() & other["paths"].keys()):
            paths += 1
            if fault := different(one["paths"][path], other["paths"][path]):
                faults.append(f"{name}: {path}: {fault}")
    print(f"{len(names)} records, {paths} paths")
    print("\n".join(faults), file=sys.stderr)
    return bool(faults)


def main():
    command, first, second, *names = sys.argv[1:]
    if command == "make":
        make(pathlib.Path(first), pathlib.Path(second), names)
        failed = False
    else:
        failed = compare_records(pathlib.Path(names[0]), pathlib.Path(first), pathlib.Path(second))
    # py-rattler's threads may crash the interpreter when it ends in the usual way.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(failed)


if __name__ == "__main__":
    main()
