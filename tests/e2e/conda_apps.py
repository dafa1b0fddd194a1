"""Shared by the tests of conda apps: the stand-in for Miniconda with its channel and index, and what images have."""
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys

from support import ROOT, SCRATCH, SHARED_STORE, Case, layers, pinned_uv, run

from package_index import PackageIndex, wheel

sys.path.insert(0, str(ROOT / "tests/support"))
import standin_conda

FIGLET = "def figlet_format(text):\n    return text.upper()\n"
OLD, NEW, NEWEST = standin_conda.OLD[0], standin_conda.NEW[0], standin_conda.NEWEST[0]
PREFIX = "app/.heroku/miniconda"
CONDA_STEPS = ("conda-runtime", "conda-packages")


class CondaCase(Case):
    """One server for all tests: a package's URL is part of what is installed."""

    @classmethod
    def setUpClass(cls):
        cls.standin = standin_conda.make(SCRATCH)
        cls.holder = Case()
        cls.url = cls.holder.serve(cls.standin)
        cls.index = PackageIndex(wheel("pyfiglet", "1.0.2", files={"pyfiglet.py": FIGLET}), wheel("six", "1.15.0"))
        cls.index.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.index.__exit__()
        cls.holder.doCleanups()

    def setUp(self):
        super().setUp()
        condarc = self.scratch / "condarc"
        condarc.write_text(f"default_channels:\n  - {self.url}/channel\n")
        self.env = {
            "DASH_BUILD_CONDA_BASE_URL": f"{self.url}/installers", "DASH_BUILD_CONDARC": str(condarc),
            "DASH_BUILD_CONDA_INSTALLERS": f"{OLD}={hashlib.sha256(self.installer(OLD).read_bytes()).hexdigest()}",
            "PIP_INDEX_URL": self.index.url, "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "",
            "PIP_EXTRA_INDEX_URL": "", "DASH_BUILD_UV": pinned_uv(),
        }

    def lock(self, metadata, step="conda-packages"):
        """The lock in the record of the image's step."""
        wanted = layers(metadata, step)
        for file in (SHARED_STORE / "records/steps").iterdir():
            record = json.loads(file.read_text())
            if record["step"] == step and [x["digest"] for x in record["layers"]] == wanted:
                return record["facts"]["lock"]
        self.fail(f"no record has this image's {step}")

    def app(self, requirements, runtime=OLD, **more):
        files = {"Procfile": "web: python -m http.server $PORT\n", "conda-runtime.txt": runtime + "\n"}
        if requirements is not None:
            files["conda-requirements.txt"] = requirements
        return self.make_app(files | more)

    def installer(self, runtime):
        return self.standin / f"installers/miniconda/{runtime}-Linux-x86_64.sh"

    def make_channel(self, directory, packages, kind="tar.bz2"):
        """A channel of these packages, with all that are there already; returns {file name: path}."""
        index = directory / "linux-64/repodata.json"
        records = json.loads(index.read_text())["packages"] if index.exists() else {}
        paths = [package.write(directory, kind) for package in packages]
        records |= {path.name: standin_conda.record_of(package, path) for package, path in zip(packages, paths)}
        standin_conda.write_repodata(directory, records)
        return {path.name: path for path in paths}

    def root(self, name, metadata=None, steps=CONDA_STEPS):
        """A root directory with what steps of an image made, where the image's programs can run."""
        root = HandRoot(self.scratch / name)
        for step in steps if metadata else ():
            for digest in layers(metadata, step):
                root.lay(SHARED_STORE / "layout/blobs/sha256" / digest[7:])
        condarc = root.directory / "etc/conda/.condarc"
        condarc.parent.mkdir(parents=True)
        condarc.write_text(pathlib.Path(self.env["DASH_BUILD_CONDARC"]).read_text())
        return root


class HandRoot:
    """A root directory with the host's programs and an /app of its own, for what tests run by hand."""

    def __init__(self, directory):
        self.directory = directory
        self.prefix = directory / PREFIX
        for name in ("app", "dev", "etc", "proc", "root", "tmp", "usr"):
            (directory / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (directory / name).symlink_to("usr/" + name)
        shutil.copytree("/etc/ssl/certs", directory / "etc/ssl/certs")  # py-rattler reads them, also for plain HTTP

    def lay(self, blob):
        subprocess.run(f"zstd -dcq '{blob}' | tar -xp -C '{self.directory}'", shell=True, check=True)
        for mark in list(self.directory.joinpath("app").rglob(".wh.*")):
            raise AssertionError(f"{mark}: nothing of an image of these tests hides what is below")

    def run(self, *words, check=True):
        script = "cd \"$1\"; shift; for d in usr dev proc; do mount --rbind /$d $d; done; exec chroot . \"$@\""
        environment = ("env", "-i", f"PATH=/{PREFIX}/bin:/usr/bin:/bin", "HOME=/root", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1")
        return run("unshare", "--mount", "--propagation", "private", "bash", "-ec", script, "-", self.directory, *environment,
                   *words, check=check)

    def conda_answer(self, requirements, version):
        """What conda says to a build's question, asked by hand; its exit code too."""
        (self.prefix / "conda-meta/pinned").write_text(f"conda =={version}\n")
        (self.directory / "tmp/conda-requirements.txt").write_text(requirements)
        result = self.run("conda", "install", "--dry-run", "--json", "--yes", "--no-update-deps", "--file",
                          "/tmp/conda-requirements.txt", check=False)
        assert result.stdout.startswith("{"), result.stderr
        return result.returncode, json.loads(result.stdout)

    def tree(self):
        """{path: (kind, mode, content or target)} of the prefix."""
        out = {}
        for directory, names, files in os.walk(self.prefix):
            for path in (pathlib.Path(directory, name) for name in names + files):
                status = path.lstat()
                kind = stat.S_IFMT(status.st_mode)
                content = os.readlink(path) if stat.S_ISLNK(kind) else b"" if stat.S_ISDIR(kind) else path.read_bytes()
                out[str(path.relative_to(self.prefix))] = (kind, stat.S_IMODE(status.st_mode), content)
        return out
