#!/usr/bin/env python3
"""What conda.sh measures with: the stand-in for Miniconda of the tests, and a channel of about 50 packages in both formats.

conda_lab.py make DIRECTORY URL     makes it all below DIRECTORY, which is served at URL; prints the path of the stand-in:
    fifty/channel                   packages of wheels from the package index, and Python
    fifty/{conda,tar.bz2}.lock      "@EXPLICIT" files of these packages in one of the two formats
conda_lab.py install LOCK PREFIX CACHE SCRATCH
                                    installs a lock's packages with py-rattler, as if PREFIX were /app/.heroku/miniconda
"""
import asyncio
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/support"))
import conda_channel
import standin_conda

WHEELS = ["dash==3.3.0", "gunicorn==23.0.0", "pandas==2.3.3", "matplotlib==3.10.7", "sqlalchemy==2.0.44", "openpyxl==3.1.5",
          "flask-caching==2.3.1", "redis==7.0.1", "pyyaml==6.0.3", "celery==5.5.3", "tabulate==0.9.0"]


def wheels(directory):
    if not (directory / "complete").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
        for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
            pip += ["--platform", platform]
        subprocess.run([*pip, "--python-version", conda_channel.PYTHON, "--dest", str(directory), *WHEELS], check=True)
        (directory / "complete").touch()
    return sorted(directory.glob("*.whl"))


def make_fifty(directory, url):
    # Anew with another version of the programs that do it.
    sources = [pathlib.Path(module.__file__) for module in (sys.modules[__name__], conda_channel, standin_conda)]
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if (directory / "version").exists() and (directory / "version").read_text() == version:
        return
    channel = directory / "channel"
    packages = [standin_conda.python_package()]
    for wheel in wheels(directory / "wheels"):
        package = conda_channel.from_wheel(wheel)
        package.index["depends"] = [f"python >={conda_channel.PYTHON},<4", *standin_conda.dependencies(wheel)]
        if "noarch" not in package.index:
            package.add_bytecode()
        packages.append(package)
    records = {}
    for kind in ("conda", "tar.bz2"):
        lines = []
        for package in packages:
            path = package.write(channel, kind)
            record = records[path.name] = standin_conda.record_of(package, path)
            lines.append(f"{url}/fifty/channel/{record['subdir']}/{path.name}#{record['md5']}\n")
        (directory / f"{kind}.lock").write_text("".join(["@EXPLICIT\n", *lines]))
    standin_conda.write_repodata(channel, records)
    (directory / "version").write_text(version)


async def install(rattler, lock, prefix, cache):
    records, listed = [], {}
    for url in (line.partition("#")[0] for line in lock.read_text().splitlines() if "://" in line):
        directory, name = url.rsplit("/", 1)
        if directory not in listed:
            with urllib.request.urlopen(f"{directory}/repodata.json") as reply:
                index = json.load(reply)
            listed[directory] = index["packages"] | index["packages.conda"]
        known = listed[directory][name]
        same = {key: known[key] for key in ("name", "version", "build_number", "subdir", "depends", "size")}
        digests = {key: bytes.fromhex(known[key]) for key in ("md5", "sha256")}
        record = rattler.PackageRecord(build=rattler.BuildString(known["build"]), **same, **digests, noarch=known.get("noarch"))
        records.append(rattler.RepoDataRecord(record, file_name=name, url=url, channel=directory.rsplit("/", 1)[0]))
    await rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False,
                          alternative_target_prefix=conda_channel.PREFIX)


def main():
    command, *words = sys.argv[1:]
    if command == "make":
        directory = pathlib.Path(words[0])
        directory.mkdir(parents=True, exist_ok=True)
        make_fifty(directory / "fifty", words[1])
        print(standin_conda.make(directory))
        return
    lock, prefix, cache, scratch = map(pathlib.Path, words)
    asyncio.run(install(conda_channel.import_rattler(scratch), lock, prefix, cache))
    # py-rattler's threads may crash the interpreter when it ends in the usual way.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
