"""What conda apps promise, against judges: the installer that is run, conda itself, another store, a registry."""
import json
import random
import re
import shutil
import stat
import unittest

from conda_apps import NEW, NEWEST, OLD, PREFIX, CondaCase
from package_index import PackageIndex, wheel
from registries import Meter, RegistryServer, need_program
from support import decisions, run

from conda_channel import Package

KIB = 1024
VERSIONS = {OLD: "4.5.12", NEW: "24.1.2", NEWEST: "26.7.1"}
# "name-version-build" of a lock's lines
DIST = re.compile(r"(?m)^\S+/([^/\s]+)\.(?:conda|tar\.bz2)(?:#\S*)?$")


def is_bytecode(path):
    return path.endswith(".pyc") or path.endswith("/__pycache__")


def below(top):
    return lambda path: path == top or path.startswith(top + "/")


# Where running the installer gives something else, and why.
INSTALLER_DIFFERS = {
    "packages as they came; no image needs them": below("pkgs"),
    "byte code: made natively as conda makes it, by this installer not at all": is_bytecode,
    "of the installer itself": lambda path: path in ("LICENSE.txt", "conda-meta/initial-state.explicit.txt"),
    "for environments that an image has not": below("envs"),
    "conda's own version, as a build keeps it": lambda path: path == "conda-meta/pinned" or below("condarc.d")(path),
    "the runtime as conda's first revision; this installer leaves the file empty": lambda path: path == "conda-meta/history",
}
# Where conda, which is py-rattler here, installs something else.
CONDA_DIFFERS = {
    "byte code: py-rattler compiles nothing": is_bytecode,
    "py-rattler's mark of a cache": lambda path: path == "CACHEDIR.TAG",
    "a revision with its time": lambda path: path == "conda-meta/history",
}
# What a package's record in conda-meta is compared by.
RECORD = ("name", "version", "build", "build_number", "depends", "subdir", "fn", "md5", "sha256", "url", "size")


def records(tree):
    """{file name: record} of conda-meta, without what says how and where the package was linked."""
    out = {}
    for path, (_, _, content) in tree.items():
        if path.startswith("conda-meta/") and path.endswith(".json"):
            record = json.loads(content)
            paths = {one["_path"]: one for one in record["paths_data"]["paths"] if not is_bytecode(one["_path"])}
            out[path] = {key: record.get(key) for key in RECORD} | {
                "channel": record["channel"].rstrip("/"),
                "files": sorted(one for one in record["files"] if not is_bytecode(one)),
                "paths": {name: (one["path_type"], one.get("sha256"), one.get("prefix_placeholder"), one.get("file_mode"))
                          for name, one in paths.items() if one["path_type"] != "softlink"}}
    return out


class SameTreeTest(CondaCase):
    def assert_same(self, ours, theirs, exceptions):
        """Trees, but for exceptions, each of which there is; records by what they say."""
        seen = set()
        different = []
        for path in sorted(ours.keys() | theirs.keys()):
            if path.startswith("conda-meta/") and path.endswith(".json") or ours.get(path) == theirs.get(path):
                continue
            why = next((why for why, holds in exceptions.items() if holds(path)), None)
            if why:
                seen.add(why)
            else:
                different.append((path, [one and (*one[:2], one[2][:80]) for one in (ours.get(path), theirs.get(path))]))
        self.assertEqual(different, [])
        self.assertEqual(seen, set(exceptions), "exceptions that are none any more")
        one, other = records(ours), records(theirs)
        self.assertEqual(one.keys(), other.keys())
        self.assertEqual([(name, key, one[name][key], other[name][key]) for name in one for key in one[name]
                          if one[name][key] != other[name][key]], [])

    def test_installer_read_and_run(self):
        """The runtime alone is what running the installer at the same prefix gives, and its conda answers the same."""
        native = self.root("native", self.build(self.app(None), env=self.env))
        by_hand = self.root("by-hand")
        shutil.copy(self.installer(OLD), by_hand.directory / "tmp")
        ran = by_hand.run("bash", f"/tmp/{OLD}-Linux-x86_64.sh", "-b", "-p", "/" + PREFIX)
        self.assertIn("installation finished.", ran.stdout)
        ours, theirs = native.tree(), by_hand.tree()
        self.assert_same(ours, theirs, INSTALLER_DIFFERS)
        files = [path for path, (kind, _, _) in ours.items() if stat.S_ISREG(kind) and not is_bytecode(path)]
        self.assertGreater(len(files), 1500)
        shutil.rmtree(self.scratch / "made")
        self.check_answer(OLD, by_hand)

    def test_answer_of_the_new(self):
        native = self.root("native", self.build(self.app(None, NEW), env=self.env))
        shutil.rmtree(self.scratch / "made")
        self.check_answer(NEW, native)

    def check_answer(self, runtime, root):
        """What conda says in `root` is what the build's lock has: names, builds, and digests where conda says them."""
        requirements = "dash==3.3.0\ngunicorn>=22,<24\nsix\nhumanize\n"
        code, answer = root.conda_answer(requirements, VERSIONS[runtime])
        self.assertEqual(code, 0, answer)
        lock = self.lock(self.build(self.app(requirements, runtime), env=self.env))
        before = {path.stem for path in (root.prefix / "conda-meta").glob("*.json")}
        actions = answer["actions"]
        chosen = before - {one["dist_name"] for one in actions["UNLINK"]} | {one["dist_name"] for one in actions["LINK"]}
        self.assertEqual(set(DIST.findall(lock)), chosen)
        self.assertGreater(len(chosen), 25)
        said = [f"{one['url']}#{one['md5']}" for one in actions["FETCH"] if "url" in one]
        self.assertEqual(len(said), len(actions["LINK"]) if runtime == NEW else 0)
        self.assertLessEqual(set(said), set(lock.splitlines()))

    def test_installed_by_conda(self):
        """--conda-install=conda: the same environment from conda's own hands, in which the app runs."""
        app = self.copy_app("weather")
        steps = ("conda-packages", "python-packages", "app")
        theirs = self.build(app, "--conda-install", "conda", env=self.env)
        self.assertEqual(len([one for one in theirs["layers"] if one["step"] == "conda-packages" and not one.get("packages")]), 2)
        again = self.build(app, "--conda-install", "conda", env=self.env)
        self.assertEqual((again["image.digest"], decisions(again)["conda-packages"]), (theirs["image.digest"], "reuse"))
        by_conda = self.root("by-conda", theirs, steps)
        native = self.root("native", self.build(app, env=self.env), steps)
        listed = [root.run("conda", "list", "--json").stdout for root in (native, by_conda)]
        self.assertEqual(listed[0], listed[1])
        self.assertGreater(len(json.loads(listed[0])), 25)
        trees = [root.tree() for root in (native, by_conda)]
        # Read-only for others, as py-rattler writes them.
        self.assertEqual({mode for path, (_, mode, _) in trees[1].items() if re.match(r"conda-meta/.*\.json", path)}, {0o600, 0o644})
        self.assert_same(*trees, CONDA_DIFFERS)
        page = "from app import server; print(server.test_client().get('/').get_data(as_text=True))"
        for root in (native, by_conda):
            said = root.run("python", "-c", f"import os; os.chdir('/app'); import sys; sys.path.insert(0, '/app'); {page}").stdout
            self.assertIn("<title>Weather</title>", said)

    def test_installer_of_another_kind(self):
        """What cannot be read is run, and conda installs: again the same environment."""
        native = self.root("native", self.build(self.app(None), env=self.env))
        directory = self.scratch / "installers/miniconda"
        directory.mkdir(parents=True)
        script = '#!/bin/sh\nwhile [ "$1" != -p ]; do shift; done\nmkdir -p "$2"\ntail -n +6 "$0" | tar -xf - -C "$2"\nexit 0\n'
        packed = run("tar", "-C", native.prefix, "-cf", self.scratch / "payload.tar", ".") and (self.scratch / "payload.tar").read_bytes()
        (directory / "Miniconda3-latest-Linux-x86_64.sh").write_bytes(script.encode() + packed)
        env = {**self.env, "DASH_BUILD_CONDA_BASE_URL": self.serve(directory.parent)}
        shutil.rmtree(self.scratch / "made")
        requirements = "six==1.17.0\nhumanize\n"
        ran = self.build(self.app(requirements, "Miniconda3-latest"), env=env)
        self.assertIn("Miniconda3-latest-Linux-x86_64.sh is of a kind that cannot be read; it is run instead", ran["log"])
        shutil.rmtree(self.scratch / "made")
        read = self.build(self.app(requirements), env=self.env)
        roots = [self.root("read", read), self.root("ran", ran)]
        listed = [root.run("conda", "list", "--json").stdout for root in roots]
        self.assertEqual(listed[0], listed[1])
        self.assertIn('"humanize"', listed[0])
        self.assertIn("1.0 kB", roots[1].run("python", "-c", "import humanize; print(humanize.naturalsize(1000))").stdout)


class StoreTest(CondaCase):
    def test_another_store(self):
        """The same digest from a store that is elsewhere and has nothing."""
        app = self.app("six=1.17.0\nhumanize\n", **{"requirements.txt": "pyfiglet\n"})
        base = self.scratch / "base"
        self.build(app, env=self.env)  # makes the default base image
        self.dash("copy", "dash-build/base:bookworm", f"oci:{base}:latest")
        words = ("--base", f"oci:{base}:latest")
        first = self.build(app, *words, env=self.env)
        other = self.build(app, *words, store=self.scratch / "other/store", env=self.env)
        self.assertEqual(decisions(other)["conda-packages"], "build")
        self.assertEqual(other["image.digest"], first["image.digest"])

    def test_changed_package(self):
        """A line that changes sends that package: a large one, and a small one that shares a layer."""
        sizes = {"heavy": 3000 * KIB, "frames": 900 * KIB} | {f"small{i}": 20 * KIB for i in range(8)}
        archives = self.make_channel(self.scratch / "own", [
            noisy_package(name, version, size) for name, size in sizes.items() for version in ("1.0", "1.1")])
        channel = self.serve(self.scratch / "own")
        registry = RegistryServer(need_program("docker-registry"), self.scratch / "registry")
        self.addCleanup(registry.stop)
        meter = Meter(registry.port)

        def make(**versions):
            lines = [f"{name}=={versions.get(name, '1.0')}\n" for name in sizes]
            app = self.app("".join(lines), **{".condarc": f"channels:\n  - {channel}\n"})
            meter.clear()
            made = self.build(app, "--push", f"{meter.address}/team/app", env=self.env)
            self.assertEqual(set(re.findall(r"(?:heavy|frames|small\d)-1\.1-0", self.lock(made))),
                             {f"{name}-1.1-0" for name in versions})
            return made, meter.uploaded()

        first, sent = make()
        self.assertGreater(sent, sum(sizes.values()))
        self.assertEqual(make()[1], 0)
        for name in ("heavy", "small3"):
            with self.subTest(name):
                size = archives[f"{name}-1.1-0.tar.bz2"].stat().st_size
                _, sent = make(**{name: "1.1"})
                print(f"{name}: package of {size} bytes, {sent} bytes sent")
                self.assertLessEqual(sent, size + 256 * KIB)
                self.assertGreater(sent, sizes[name])
        self.assertEqual(make()[0]["image.digest"], first["image.digest"])


def noisy_package(name, version, size):
    """One that does not get smaller when it is compressed."""
    package = Package(name, version)
    package.add(f"share/{name}/noise", random.Random(f"{name} {version}").randbytes(size))
    return package


# Line; what conda before and since 26.7 chooses, or the exit code and what the build says; what the warnings say. NAME has
# versions 1.8, 1.11, 1.16, 1.16.2, 1.16.4, 1.17 and 2.0 as py37_0, 1.16 also as py37h7e9f1db_1, and 1.16.2 as py38_0. The
# channel "apart" has the first four only.
REFUSED = (3, "conda cannot read")
MISSING = (3, "conda finds no package for a line of conda-requirements.txt")
TO_NEWER, TO_OLDER = "to this conda, and NAME 1.16.* to newer versions", "to this conda, and NAME ==1.16 to versions before 26.7"
GRAMMAR = [
    ("NAME", "2.0-py37_0", "2.0-py37_0", None, None),
    ("Name", "2.0-py37_0", "2.0-py37_0", None, None),
    ("NAME=1.16", "1.16-py37h7e9f1db_1", "1.16.4-py37_0", f"means NAME ==1.16 {TO_NEWER}", f"means NAME 1.16.* {TO_OLDER}"),
    ("NAME =1.16", "1.16-py37h7e9f1db_1", "1.16.4-py37_0", f"means NAME ==1.16 {TO_NEWER}", f"means NAME 1.16.* {TO_OLDER}"),
    ("NAME = 1.16", "1.16-py37h7e9f1db_1", "1.16.4-py37_0", f"means NAME ==1.16 {TO_NEWER}", f"means NAME 1.16.* {TO_OLDER}"),
    ("NAME==1.16.2", "1.16.2-py3*_0", "1.16.2-py3*_0", None, None),
    ("NAME=1.16=py37_0", "1.16-py37_0", "1.16-py37_0", None, None),
    ("NAME=1.16.2=py38*", "1.16.2-py38_0", "1.16.2-py38_0", None, None),
    ("NAME=1.16.*", "1.16.4-py37_0", "1.16.4-py37_0", None, None),
    ("NAME>=1.11, <2", "1.17-py37_0", "1.17-py37_0", None, None),
    ("NAME >=1.11,<2  # why", "1.17-py37_0", "1.17-py37_0", None, None),
    ("NAME!=2.0", "1.17-py37_0", "1.17-py37_0", None, None),
    ("NAME>=1.16=py38_0", "1.16.2-py38_0", "1.16.2-py38_0", None, None),
    ("NAME=1.16|1.17", "1.17-py37_0", REFUSED, None, None),
    ("apart::NAME=1.16", "1.16-py37h7e9f1db_1", "1.16.2-py3*_0", "NAME ==1.16 to this conda", "NAME 1.16.* to this conda"),
    ("apart/linux-64::NAME", "1.16.2-py3*_0", "1.16.2-py3*_0", None, None),
    ("URL/odd/linux-64/NAME-1.11-py37_0.tar.bz2", "1.11-py37_0", "1.11-py37_0", None, None),
    ("NAME 1.16*", REFUSED, "1.16.4-py37_0", None, None),
    ("NAME 1.16", REFUSED, "1.16-py37h7e9f1db_1", None, None),
    ("NAME~=1.16.2", MISSING, "1.16.4-py37_0", "asks this conda for a package called NAME~: write >= and <",
     "means NAME ~=1.16.2 to this conda, and NAME~ ==1.16.2 to versions before 26.7: write >= and < instead of ~="),
    ('NAME[version=">=1.8,<1.17"]', "2.0-py37_0", "1.16.4-py37_0", "is any version of NAME to this conda",
     "means NAME >=1.8,<1.17 to this conda, and NAME to versions before 26.7: write NAME>=1.8,<1.17 to be sure"),
    ("NAME=1.17=pypi_0", MISSING, MISSING, "names a package that pip installed", "names a package that pip installed"),
]


class GrammarTest(CondaCase):
    """Lines of conda-requirements.txt: what the build says of them, and what conda makes of them."""

    def setUp(self):
        super().setUp()
        builds = [(version, "py37_0", 0) for version in ("1.8", "1.11", "1.16", "1.16.2", "1.16.4", "1.17", "2.0")]
        builds += [("1.16", "py37h7e9f1db_1", 1), ("1.16.2", "py38_0", 0)]
        for channel, some in (("odd", builds), ("apart", [one for one in builds if one[0] in ("1.8", "1.11", "1.16", "1.16.2")])):
            packages = [Package(f"p{number}", version, build) for number in range(len(GRAMMAR)) for version, build, _ in some]
            for package, number in zip(packages, [number for _, _, number in some] * len(GRAMMAR)):
                package.index["build_number"] = number
            self.make_channel(self.scratch / "channels" / channel, packages)
        self.channels = self.serve(self.scratch / "channels")
        condarc = self.scratch / "condarc"
        condarc.write_text(condarc.read_text() + f"channel_alias: {self.channels}\n")

    def rows(self, runtime):
        for number, (line, old, new, old_warning, new_warning) in enumerate(GRAMMAR):
            name = f"p{number}"
            line = line.replace("NAME", name).replace("Name", name.upper()).replace("URL", self.channels)
            expected, warning = (new, new_warning) if runtime == NEWEST else (old, old_warning)
            yield name, line, expected, warning and warning.replace("NAME", name)

    def make(self, text, runtime):
        shutil.rmtree(self.scratch / "made", ignore_errors=True)
        return self.app(text, runtime, **{".condarc": "channels:\n  - odd\n  - defaults\n"})

    def test_old(self):
        self.check(OLD)

    def test_new(self):
        self.check(NEW)

    def test_newest(self):
        self.check(NEWEST)

    def check(self, runtime):
        rows = list(self.rows(runtime))
        taken = [row for row in rows if isinstance(row[2], str)]
        made = self.build(self.make("".join(line + "\n" for _, line, _, _ in taken), runtime), env=self.env)
        chosen = dict(re.fullmatch(r"(p\d+)-(.*)", dist).groups() for dist in DIST.findall(self.lock(made))
                      if re.match(r"p\d+-", dist))
        root = self.root("root", self.build(self.make("# nothing\n", runtime), env=self.env))
        (root.prefix / ".condarc").write_text("channels:\n  - odd\n  - defaults\n")
        for number, (name, line, expected, warning) in enumerate(taken, 1):
            with self.subTest(line):
                self.assertRegex(chosen[name], "^" + re.escape(expected).replace(r"\*", ".") + "$")
                self.check_warning(made["log"], number, line, warning)
        self.assertEqual(len(chosen), len(taken))
        for _, line, (code, message), warning in (row for row in rows if not isinstance(row[2], str)):
            with self.subTest(line):
                result = self.dash("build", self.make(line + "\n", runtime), "-t", self.tag + "-refused", "--progress", "plain",
                                   check=False, env=self.env)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(message, result.stderr)
                self.check_warning(result.stderr, 1, line, warning)
                self.assertNotEqual(root.conda_answer(line + "\n", VERSIONS[runtime])[0], 0, "conda takes it")

    def check_warning(self, log, number, line, expected):
        found = re.findall(rf"warning: (conda-requirements\.txt:{number}: .*)", log)
        self.assertEqual(len(found), 1 if expected else 0, found)
        if expected:
            self.assertIn(f": '{line.split('  #')[0]}' ", found[0])
            self.assertIn(expected, found[0])


class LockTest(CondaCase):
    """Versions that stay: conda's until --upgrade, pip's in the lock."""

    def test_kept_locked_and_upgraded(self):
        channel = self.scratch / "own"
        self.make_channel(channel, [Package("tool", "1.0")])
        url = self.serve(channel)
        wheels = [wheel("extra", version) for version in ("1.0", "1.1")]
        index = self.enter(PackageIndex(wheels[0], wheel("six", "1.15.0")))
        env = {**self.env, "PIP_INDEX_URL": index.url}

        def make(*words, pip="extra\nsix\n", conda="tool\nsix==1.17.0\n", env=env):
            shutil.rmtree(self.scratch / "made", ignore_errors=True)
            app = self.app(conda, **{".condarc": f"channels:\n  - {url}\n  - defaults\n", "requirements.txt": pip})
            made = self.build(app, *words, env=env)
            versions = {name: re.search(rf"/{name}-([\d.]+)-", self.lock(made))[1] for name in ("tool", "six")}
            lock = self.dash("lock", self.tag).stdout
            return made, versions, dict(re.findall(r'(?m)^name = "(.*)"\nversion = "(.*)"', lock)), lock

        first, conda, pip, lock = make()
        self.assertEqual((conda, pip), ({"tool": "1.0", "six": "1.17.0"}, {"extra": "1.0"}))
        # Newer ones come, and nobody asked for them.
        self.make_channel(channel, [Package("tool", "2.0")])
        index = self.enter(PackageIndex(*wheels, wheel("six", "1.15.0")))
        env["PIP_INDEX_URL"] = index.url
        for words in ((), ("--no-cache",)):
            _, conda, pip, _ = make(*words)
            self.assertEqual((conda["tool"], pip), ("1.0", {"extra": "1.0"}))
        (self.scratch / "pylock.toml").write_text(lock)
        made, conda, pip, _ = make("--upgrade")
        self.assertEqual((conda, pip), ({"tool": "2.0", "six": "1.17.0"}, {"extra": "1.1"}))
        # The lock is of what pip installs; conda's answer of now stays.
        _, conda, pip, again = make("--locked", self.scratch / "pylock.toml")
        self.assertEqual((conda["tool"], pip), ("2.0", {"extra": "1.0"}))
        self.assertEqual(re.findall(r'(?m)^name.*|^version.*', again), re.findall(r'(?m)^name.*|^version.*', lock))


if __name__ == "__main__":
    unittest.main(verbosity=2)
