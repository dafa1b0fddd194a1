#!/usr/bin/env python3
"""The real conda 4.5.12 in an installer of the format of 2018, and its channel, where its source and a CPython 3.7 are.

real_conda.py make DIRECTORY SOURCE PYTHON37    makes them below DIRECTORY, unless they are there; prints where:
    installers/miniconda/Miniconda3-4.5.12-Linux-x86_64.sh  Python, conda with what it needs, pip, setuptools, wheel
    channel/{linux-64,noarch}                               these, dash 2.15 and gunicorn with what they need, six twice,
                                                            humanize, and the odd packages of the tests
real_conda.py compare LAB METADATA REQUIREMENTS SCRATCH
    compares the conda layers of an image, path by path, with what the old buildpack's sequence of commands makes with this
    conda. LAB is what `make` printed, served; METADATA the --metadata-file of a build of an app with the file REQUIREMENTS;
    DASH_BUILD_HOME and DASH_BUILD_CONDARC as they were in that build. Needs root, and a new directory SCRATCH

SOURCE is a checkout of conda's source at the tag 4.5.12, PYTHON37 the prefix of a CPython 3.7 that was built for it
(`make install`, pyenv); its shared libraries are the image's: the base image needs what Debian's python3 needs. The rest
comes from the package index. All packages are .tar.bz2. Those of the runtime and those with programs are for Python 3.7
alone and have byte code; the others are noarch, as they are in channels of that time.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
import conda_channel
import standin_conda
from conda_channel import PLACEHOLDER, Package
from standin_conda import OLD

PYTHON = "3.7"
SITE = f"lib/python{PYTHON}/site-packages"
# The versions that conda 4.5 can work with, and the last ones that Python 3.7 can.
RUNTIME = ["pip", "setuptools<66", "wheel", "pycosat<0.6.6", "requests<2.26", "ruamel.yaml<0.17", "pyopenssl"]
APP = ["dash==2.15.0", "gunicorn==20.1.0", "humanize==4.6.0", "six==1.17.0"]
OTHER = ["six==1.16.0"]
CONDA_NEEDS = ["conda-env >=2.6", "pycosat >=0.6.3", "pyopenssl >=16.2.0", "requests >=2.12.4,<3", "ruamel_yaml >=0.11.14"]
CONDA_PROGRAMS = {"conda": "conda.cli", "conda-env": "conda_env.cli.main"}
CONDA_SHELL = ("bin/activate", "bin/deactivate", "etc/profile.d/conda.sh", "etc/profile.d/conda.csh")
NOT_PYTHON = conda_channel.WITHOUT | {"site-packages"}
FOR_THIS_PYTHON = [f"python >={PYTHON},<3.8.0a0"]


def get_wheels(directory, python):
    """Wheels of everything; what has none is built."""
    if not (directory / "complete").exists():
        pip = [str(python), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--use-pep517", "-w", str(directory)]
        subprocess.run([*pip, *RUNTIME, *APP], check=True)
        subprocess.run([*pip, "--no-deps", *OTHER], check=True)
        (directory / "complete").touch()
    return sorted(directory.glob("*.whl"))


def relative_library_path(content, prefix, directory):
    """A program that looks for its libraries in `prefix`/lib, looking beside itself instead; offsets stay."""
    old = f"{prefix}/lib\0".encode()
    new = "$ORIGIN/" + "../" * (len(directory.parts))
    new += "/" * (len(old) - len(new) - len("lib\0")) + "lib\0"
    if old in content and len(new) != len(old):
        raise SystemExit(f"{prefix} is too short a path for a library path of {len(new)} characters")
    return content.replace(old, new.encode())


def python_package(prefix):
    """CPython as channels have it: text says a placeholder, programs find their libraries by themselves."""
    ask = [prefix / f"bin/python{PYTHON}", "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(ask, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    package = Package("python", version, "h_0")
    paths = [path for top in ("bin", "lib") for path in sorted(prefix.joinpath(top).rglob("*"))]
    for path in paths:
        name = path.relative_to(prefix)
        if (NOT_PYTHON & set(name.parts) or path.suffix == ".a" or path.name.startswith("_tkinter")
                or re.match("pip|easy_install|python.*gdb", path.name) and name.parts[0] == "bin"):
            continue
        if path.is_symlink():
            package.link(str(name), os.readlink(path))
        elif path.is_file():
            content, mode = path.read_bytes(), path.stat().st_mode & 0o777
            if content.startswith(b"\x7fELF"):
                package.add(str(name), relative_library_path(content, prefix, name.parent), mode)
            elif str(prefix).encode() in content:
                package.add(str(name), content.replace(str(prefix).encode(), PLACEHOLDER.encode()), mode, PLACEHOLDER)
            else:
                package.add(str(name), content, mode)
    return package


def conda_package(source):
    package = Package("conda", OLD[1], "py37_0", [*FOR_THIS_PYTHON, *CONDA_NEEDS])
    for top in ("conda", "conda_env"):
        for path in sorted((source / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                package.add(f"{SITE}/{path.relative_to(source)}", path.read_bytes())
    package.add(f"{SITE}/conda/.version", OLD[1].encode())
    for name, module in CONDA_PROGRAMS.items():
        text = f"#!{PLACEHOLDER}/bin/python\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        package.add("bin/" + name, text.encode(), 0o755, PLACEHOLDER)
    for name in CONDA_SHELL:
        text = f"_CONDA_ROOT={PLACEHOLDER}\n".encode() if not name.endswith("csh") else b""
        package.add(name, text + (source / "conda/shell" / name).read_bytes(), 0o644, PLACEHOLDER if text else None)
    return package


def conda_name(text):
    """The one name that is another in channels."""
    return re.sub(r"^ruamel-yaml\b(?!-)", "ruamel_yaml", text)


def wheel_package(wheel, arch_only):
    package = conda_channel.from_wheel(wheel, arch_only, PYTHON)
    is_noarch = "noarch" in package.index
    package.index["name"] = conda_name(package.index["name"])
    package.index["build"] = "py_0" if is_noarch else "py37_0"
    needs = [conda_name(one) for one in standin_conda.dependencies(wheel, PYTHON)]
    package.index["depends"] = (["python"] if is_noarch else FOR_THIS_PYTHON) + needs
    return package


def closure(packages, names):
    """These packages and what they depend on, Python first."""
    known = {package.index["name"]: package for package in packages}
    found = []
    while names:
        name, *names = names
        if name not in found:
            found.append(name)
            names += [one.split()[0] for one in known[name].index["depends"]]
    return [known[name] for name in sorted(found, key=lambda name: (name != "python", name))]


def make_packages(source, python, wheels):
    """(all packages, those of the runtime)"""
    packages = [python_package(python), conda_package(source), Package("conda-env", "2.6.0", "1")]
    packages += [wheel_package(wheel, arch_only=True) for wheel in wheels]
    runtime = closure(packages, ["conda", "pip", "setuptools", "wheel"])
    names = {package.index["name"] for package in runtime}
    packages = runtime + [wheel_package(wheel, arch_only=False) for wheel in wheels
                          if wheel_package(wheel, arch_only=True).index["name"] not in names]
    for package in packages:
        if "noarch" not in package.index:
            package.add_bytecode(str(python / f"bin/python{PYTHON}"))
    # Of the odd packages of the tests one has byte code of another Python.
    return packages + [one for one, _ in conda_channel.odd_packages() if one.index["name"] != "with-bytecode"], runtime


def make(directory, source, python):
    """Makes all of it, once for each version of the programs that do; returns where it is."""
    if not (source / "conda/__init__.py").exists() or not (python / f"bin/python{PYTHON}").exists():
        raise SystemExit(f"{source} has no conda/__init__.py, or {python} no bin/python{PYTHON}")
    scripts = [pathlib.Path(module.__file__) for module in (sys.modules[__name__], standin_conda, conda_channel)]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in scripts) + f"{source} {python}".encode()).hexdigest()[:12]
    target = directory / f"real-conda-{key}"
    if (target / "complete").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    pins = " ".join([*RUNTIME, *APP, *OTHER])
    wheels = get_wheels(directory / f"real-wheels-{hashlib.sha256(pins.encode()).hexdigest()[:12]}", python / f"bin/python{PYTHON}")
    packages, runtime = make_packages(source, python, wheels)
    written = {}
    for package in packages:
        path = package.write(target / "channel", "tar.bz2")
        written[path.name] = (path, standin_conda.record_of(package, path))
    standin_conda.write_repodata(target / "channel", {name: record for name, (_, record) in written.items()})
    stems = ["{name}-{version}-{build}.tar.bz2".format(**package.index) for package in runtime]
    standin_conda.make_old(target, {name: written[name] for name in stems})
    (target / "complete").touch()
    return target


# What the image has differently for reasons that docs/conda-packages.md has, or that are the build's.
KNOWN = {
    "what an installer or conda leaves behind": r"LICENSE\.txt|envs|conda-meta/initial-state\.explicit\.txt",
    "the app's configuration, and conda's revisions with their times": r"\.condarc|condarc\.d(/.*)?|conda-meta/(history|pinned)",
}
# Of records: conda 4.5 keeps no SHA-256, says the channel with its platform, and paths.json as it was for noarch packages.
NOT_COMPARED = ("sha256", "channel")


def install_by_hand(root, installer, requirements):
    """The old buildpack's sequence with the real conda in `root`; returns the tree."""
    shutil.copy(installer, root.directory / "tmp/i.sh")
    shutil.copy(requirements, root.directory / "tmp")
    root.run("bash", "/tmp/i.sh", "-p", conda_channel.PREFIX, "-b")
    (root.prefix / "conda-meta/pinned").write_text(f"conda =={OLD[1]}\n")
    root.run("conda", "config", "--set", "auto_update_conda", "False")
    root.run("conda", "install", "-v", "--no-update-deps", "pip", "--yes")
    root.run("conda", "install", "-v", "--no-update-deps", "--file", "/tmp/" + requirements.name, "--yes")
    root.run("conda", "clean", "-pt", "--yes")
    return root.tree()


def is_compared(path):
    return not re.fullmatch(r"pkgs(/.*)?|.*(\.pyc|/__pycache__)|conda-meta/.*\.json|" + "|".join(KNOWN.values()), path)


def without_checks(entry):
    """An entry point of `noarch: python`: conda's text strips what Windows adds to its name, ours does not."""
    if entry is None or entry[2][:2] != b"#!":
        return entry
    return (*entry[:2], re.sub(rb"import re\n|    sys\.argv\[0\] = re\.sub.*\n", b"", entry[2]))


def mapped(paths):
    """paths.json of a noarch package as it is installed, without what only one of the two lists."""
    place = {"site-packages/": SITE + "/", "python-scripts/": "bin/"}
    out = {re.sub(r"^(site-packages/|python-scripts/)", lambda found: place[found[0]], name): entry for name, entry in paths.items()}
    return {name: entry for name, entry in out.items() if entry[0] != "unix_python_entry_point"}


def shown(entry):
    return "is not there" if entry is None else f"{entry[0]:o} {entry[1]:o} {entry[2][:300]!r} ({len(entry[2])} bytes)"


def compare_records(ours, theirs):
    """Lines that say how records in conda-meta differ."""
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            yield f"{name}: only in {'the image' if name in ours else 'what conda installed'}"
            continue
        one, other = ours[name], theirs[name]
        for key in one.keys() - set(NOT_COMPARED):
            values = [mapped(record[key]) if key == "paths" else record[key] for record in (one, other)]
            if values[0] != values[1]:
                yield f"{name}: {key}\n  image: {str(values[0])[:300]}\n  conda: {str(values[1])[:300]}"


def compare(directory, metadata, requirements, scratch):
    """Whether the conda layers of the image that a build described in `metadata` are what the real conda installs."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    from conda_apps import CONDA_STEPS, HandRoot
    from test_conda_proofs import records

    blobs = pathlib.Path(os.environ["DASH_BUILD_HOME"]) / "layout/blobs/sha256"
    native, by_hand = HandRoot(scratch / "native"), HandRoot(scratch / "by-hand")
    for layer in json.loads(metadata.read_text())["layers"]:
        if layer["step"] in CONDA_STEPS:
            native.lay(blobs / layer["digest"].removeprefix("sha256:"))
    by_hand.directory.joinpath("etc/conda").mkdir()
    shutil.copy(os.environ["DASH_BUILD_CONDARC"], by_hand.directory / "etc/conda/.condarc")
    theirs = install_by_hand(by_hand, directory / f"installers/miniconda/{OLD[0]}-Linux-x86_64.sh", requirements)
    ours = native.tree()
    faults, paths = [], [path for path in sorted(ours.keys() | theirs.keys()) if is_compared(path)]
    for path in paths:
        one, other = ours.get(path), theirs.get(path)
        if without_checks(one) != without_checks(other):
            faults.append(f"{path}\n  image: {shown(one)}\n  conda: {shown(other)}")
    compiled = [{path for path in side if path.endswith(".pyc") and not path.startswith("pkgs/")} for side in (ours, theirs)]
    faults += [f"{path}: byte code of one of the two only" for path in sorted(compiled[0] ^ compiled[1])]
    found = records(ours), records(theirs)
    faults += compare_records(*found)
    print("\n".join([*faults, f"{len(paths)} paths, {len(compiled[0])} .pyc, {len(found[0])} records, {len(faults)} differences"]))
    return bool(faults)


def main():
    command, *words = sys.argv[1:]
    paths = map(pathlib.Path, words)
    if command == "compare":
        sys.exit(compare(*paths))
    print(make(*paths))


if __name__ == "__main__":
    main()
