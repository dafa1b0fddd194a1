"""What a requirements file can hold, and what is said about one that cannot be installed: with the real uv, in the
real sandbox, from an index on loopback."""
import hashlib
import shutil
import subprocess
import unittest

from package_index import PackageIndex, project, sdist, wheel
from support import Case, decisions

PROCFILE = "web: python -m http.server\n"
INDEX = [
    wheel("alpha", "1.0"),
    wheel("alpha", "2.0"),
    wheel("alpha", "3.0rc1"),
    wheel("beta", "1.0", ["alpha<2"]),
    wheel("gamma", "1.0", ["alpha>=2"]),
    wheel("deep", "1.0", ["nowhere"]),
    wheel("numbers", "1.0"),
    wheel("numbers", "2.0", tag="cp310-cp310-manylinux_2_17_x86_64"),
    wheel("modern", "1.0"),
    wheel("modern", "2.0", python=">=3.12"),
    wheel("future", "1.0", python=">=3.13"),
    wheel("extra", "1.0", ['beta; extra == "more"']),
    sdist("source"),
    sdist("broken", "2.0", {
        "backend.py": "raise SystemExit('boom: no headers')\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'}),
    sdist("late", "2.0", {"backend.py": "raise SystemExit('boom: no headers')\n"}),
    wheel("late", "1.0"),
    wheel("broken", "1.0"),
    wheel("brings", "1.0", ["broken>=2"]),
]
PIP = wheel("pip", "99.0")


class RequirementsCase(Case):
    def setUp(self):
        super().setUp()
        self.index = self.enter(PackageIndex(*INDEX, PIP))
        # Nothing of this machine's own pip settings takes part.
        self.env = {"PIP_INDEX_URL": self.index.url, "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "",
                    "NETRC": "/nonexistent"}

    def app(self, requirements, files=None, to="made"):
        files = {"Procfile": PROCFILE, **(files or {})}
        if requirements is not None:
            files["requirements.txt"] = requirements
        return self.make_app(files, to)

    def install(self, requirements, files=None, env=None, to="made", words=()):
        """Builds; returns {name: version} of what is installed, and keeps the log in self.log."""
        metadata = self.build(self.app(requirements, files, to), "-o", f"oci:{self.scratch / 'image'}:latest", *words,
                              env={**self.env, **(env or {})})
        self.log = metadata["log"]
        self.metadata = metadata
        self.root = self.scratch / "unpacked"
        shutil.rmtree(self.root, ignore_errors=True)
        self.unpack()
        found = {}
        for info in self.site().glob("*.dist-info"):
            name, version = info.name.removesuffix(".dist-info").rsplit("-", 1)
            found[name] = version
        found.pop("pip", None)
        return found

    def unpack(self):
        """The python-packages layer alone."""
        wanted = [x["digest"] for x in self.metadata["layers"] if x["step"] == "python-packages"]
        self.root.mkdir()
        for digest in wanted:
            blob = self.scratch / "image/blobs" / digest.replace(":", "/")
            subprocess.run(["tar", "--zstd", "-xf", blob, "-C", self.root], check=True)

    def site(self):
        return next((self.root / "app/.heroku/python/lib").glob("python3.*")) / "site-packages"

    def fails(self, requirements, code, error, hint, files=None, env=None):
        """The build fails with exactly this error and hint; returns the whole log."""
        result = self.dash("build", self.app(requirements, files), "-t", self.tag, "--progress", "plain", check=False,
                           env={**self.env, **(env or {})})
        lines = result.stderr.splitlines()
        errors = [line for line in lines if line.startswith(("error: ", "[python-packages] error"))]
        hints = [line for line in lines if line.startswith("hint: ")]
        self.assertEqual((errors, hints), ([f"error: {error}"], [f"hint: {hint}"]), result.stderr)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr


class InstallTest(RequirementsCase):
    def test_files_that_include_files(self):
        found = self.install(
            "# comment\n-r requirements/web.txt\n-r requirements/data.txt\n-c limits.txt\n"
            'nothing; python_version < "3"\nextra[more]==1.0\nalpha\n',
            {"requirements/web.txt": "Beta\n-r more.txt\n", "requirements/data.txt": "-r more.txt\nnumbers\n",
             "requirements/more.txt": "modern\n", "limits.txt": "numbers<2\nunused==7\n"},
        )
        self.assertEqual(found, {"alpha": "1.0", "beta": "1.0", "extra": "1.0", "modern": "1.0", "numbers": "1.0"})

    def test_local_packages(self):
        name, content = wheel("offshore", "4.0")
        app = self.app(
            "./offshore-4.0-py3-none-any.whl\n./pkg/\n-e .\n",
            {**project("whole"), **{f"pkg/{path}": text for path, text in project("part").items()},
             ".slugignore": "venv/\n*.secret\n", "pkg/a.secret": "x"},
        )
        (app / name).write_bytes(content)
        (app / "venv").mkdir()
        (app / "venv/python").symlink_to("/usr/bin/python3")
        found = self.install("./offshore-4.0-py3-none-any.whl\n./pkg/\n-e .\n")
        self.assertEqual(found, {"offshore": "4.0", "part": "1.0", "whole": "1.0"})
        self.assertNotIn("a.secret", (self.site() / "part_sources.txt").read_text())
        # What is ignored is no input either.
        (app / "pkg/b.secret").write_text("y")
        self.install("./offshore-4.0-py3-none-any.whl\n./pkg/\n-e .\n")
        self.assertEqual(decisions(self.metadata)["python-packages"], "reuse")

    def test_project(self):
        app = self.app(None, {**project("whole"), ".slugignore": "venv\n"})
        (app / "venv").mkdir()
        (app / "venv/python").symlink_to("/usr/bin/python3")
        self.assertEqual(self.install(None), {"whole": "1.0"})
        self.assertNotIn("venv", (self.site() / "whole_sources.txt").read_text())

    def test_repository_of_this_machine(self):
        repository = self.make_app(project("hosted"), "repository")
        git = ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@t.example"]
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v1"]):
            subprocess.run([*git, *words], check=True, capture_output=True)
        self.assertEqual(self.install(f"git+file://{repository}@v1#egg=hosted\n"), {"hosted": "1.0"})
        self.assertEqual(self.install(f"-e git+file://{repository}#egg=hosted\n"), {"hosted": "1.0"})

    def test_no_index(self):
        app = self.app("--no-index --find-links=./dependencies\nalpha\n")
        (app / "dependencies").mkdir()
        for name, content in (INDEX[0], PIP):
            (app / "dependencies" / name).write_bytes(content)
        self.assertEqual(self.install("--no-index --find-links=./dependencies\nalpha\n"), {"alpha": "1.0"})
        self.assertEqual(self.index.requests, [])

    def test_variables_in_urls(self):
        locked = self.enter(PackageIndex(wheel("alpha", "9.0"), PIP, credentials=("me", "s3cret")))
        found = self.install(f"--extra-index-url http://${{USER_1}}:${{PASS_1}}@{locked.host}/simple/\nalpha\n",
                             env={"USER_1": "me", "PASS_1": "s3cret"})
        self.assertEqual(found, {"alpha": "9.0"})
        self.assertNotIn("s3cret", self.log)

    def test_netrc(self):
        locked = self.enter(PackageIndex(wheel("alpha", "9.0"), PIP, credentials=("me", "s3cret")))
        netrc = self.scratch / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
        self.assertEqual(self.install("alpha\n", env={"PIP_INDEX_URL": locked.url, "NETRC": str(netrc)}), {"alpha": "9.0"})
        self.assertEqual(subprocess.run(["grep", "-r", "s3cret", self.root], capture_output=True).stdout, b"")

    def test_pip_configuration(self):
        other = self.enter(PackageIndex(wheel("delta", "1.0")))
        limits = self.scratch / "limits.txt"
        limits.write_text("alpha<2\n")
        configuration = self.scratch / "pip.conf"
        configuration.write_text(f"[global]\nindex-url = {self.index.url}\nextra-index-url =\n    {other.url}\n"
                                 f"[install]\nconstraint = {limits}\nuse-feature = fast-deps\n")
        env = {"PIP_INDEX_URL": "", "PIP_CONFIG_FILE": str(configuration)}
        self.assertEqual(self.install("alpha\ndelta\n", env=env), {"alpha": "1.0", "delta": "1.0"})
        self.assertIn("PIP_USE_FEATURE is set for this machine, but has no effect here", self.log)

    def test_index_of_the_file_wins(self):
        other = self.enter(PackageIndex(wheel("alpha", "7.0"), PIP))
        self.assertEqual(self.install(f"alpha\n--index-url {other.url}\n"), {"alpha": "7.0"})
        self.assertEqual(self.index.requests, [])

    def test_options_that_choose_files(self):
        # --upgrade: an earlier run with the same store has left versions that would be kept.
        self.assertEqual(self.install("--pre\nalpha\n", words=["--upgrade"]), {"alpha": "3.0rc1"})
        self.assertEqual(self.install("alpha\n", env={"PIP_PRE": "true"}, to="b"), {"alpha": "3.0rc1"})
        # As with pip, what is installed stays until somebody asks for more.
        self.assertEqual(self.install("alpha\n", to="c"), {"alpha": "3.0rc1"})
        found = self.install("--prefer-binary\nalpha\n", to="c", words=["--upgrade"])
        self.assertEqual(found, {"alpha": "2.0"})
        self.assertIn("requirements.txt:1: --prefer-binary has no effect here", self.log)
        self.assertEqual(self.install("beta\nalpha\n", env={"PIP_NO_DEPS": "1"}, to="d"), {"alpha": "2.0", "beta": "1.0"})

    def test_without_pip_in_the_index(self):
        bare = self.enter(PackageIndex(*INDEX))
        self.assertEqual(self.install("alpha\n", env={"PIP_INDEX_URL": bare.url}), {"alpha": "2.0"})
        self.assertIn("No package index has pip; the environment is made without", self.log)
        self.assertNotIn("error", self.log)

    def test_hashes(self):
        file = "alpha-2.0-py3-none-any.whl"
        sha512 = hashlib.sha512(self.index.files[file]).hexdigest()
        self.assertEqual(self.install(f"alpha==2.0 --hash=sha512:{sha512}\n"), {"alpha": "2.0"})
        plain = self.enter(PackageIndex(*INDEX, PIP, hashes=False))
        self.assertEqual(
            self.install(f"alpha==2.0 --hash=sha256:{plain.sha256(file)}\n", env={"PIP_INDEX_URL": plain.url}, to="b"),
            {"alpha": "2.0"})


class CompiledTest(RequirementsCase):
    def test_records_of_other_system_packages_stay(self):
        """Apps with the same requirements, compiled against other system packages, do not evict each other."""
        apps = {name: self.app("source==1.0\n", {"apt-packages": f"{name}\n"}, to=name) for name in ("less", "file")}

        def decision(name):
            metadata = self.build(apps[name], env=self.env)
            return decisions(metadata)["python-packages"]

        self.assertEqual([decision("less"), decision("file")], ["build", "build"])
        self.assertEqual([decision("less"), decision("file")], ["reuse", "reuse"])


ALL_HASHES = (
    '"pip-compile --generate-hashes" or "uv pip compile --generate-hashes" write a file with every package, version '
    "and hash; or remove every --hash."
)
MISMATCH = (
    "Either the pin is old or the package index serves another file. Compare with the hash that the project publishes, "
    "then correct the --hash, or the index."
)
PRIVATE = "A package of a private index needs --extra-index-url or PIP_EXTRA_INDEX_URL."
OTHER_PYTHON = "or use a base image with another Python (--base)."


class MessageTest(RequirementsCase):
    def test_unknown_package(self):
        log = self.fails("alpha\npandsa>=2\n", 3, "requirements.txt:2: no package index has pandsa",
                         f"did you mean pandas? {PRIVATE}")
        self.assertNotIn("No solution found", log)
        self.fails("sklearn\n", 3, "requirements.txt:1: no package index has sklearn",
                   f"the package is called scikit-learn. {PRIVATE}")
        self.fails("json\n", 3, "requirements.txt:1: no package index has json",
                   f"json is part of Python: remove the line. {PRIVATE}")
        self.fails("deep\n", 3, "no package index has nowhere, which deep (requirements.txt:1) needs",
                   f"Check the spelling of the name. {PRIVATE}")

    def test_contradictions(self):
        hint = "Change or remove one of these lines, so that one version of alpha fits all."
        log = self.fails("-r web.txt\ngamma\n", 3,
                         "the requirements contradict each other: beta (web.txt:1) needs alpha<2, but gamma "
                         "(requirements.txt:2) needs alpha>=2", hint, {"web.txt": "beta\n"})
        self.assertIn("    | Because all versions of", log)
        self.fails("alpha==1.0\nalpha==2.0\n", 3,
                   "the requirements contradict each other: alpha==1.0 (requirements.txt:1), but alpha==2.0 "
                   "(requirements.txt:2)", hint)
        self.fails("beta==1.0\n-c limits.txt\n", 3,
                   "the requirements contradict each other: beta (requirements.txt:1) needs alpha<2, but alpha==2.0 "
                   "(limits.txt:1)", hint, {"limits.txt": "alpha==2.0\n"})

    def test_no_wheel(self):
        self.fails("numbers==2.0\n", 3,
                   "requirements.txt:1: numbers==2.0 has no wheel for CPython 3.11 on x86_64 and no source that may be "
                   "built; there are wheels for cp310",
                   f'Versions that fit Python 3.11: 1.0. Pin one of them, for example "numbers==1.0", {OTHER_PYTHON}')
        self.fails("--only-binary source\nsource==1.0\n", 3,
                   "requirements.txt:2: source==1.0 has no wheel for CPython 3.11 on x86_64 and no source that may be "
                   "built", "No version of source fits: use another package, " + OTHER_PYTHON.replace("use ", "", 1))

    def test_other_python(self):
        self.fails("modern==2.0\n", 3, "requirements.txt:1: modern==2.0 needs Python >=3.12; the image has Python 3.11.2",
                   f'Versions that fit Python 3.11: 1.0. Pin one of them, for example "modern==1.0", {OTHER_PYTHON}')
        self.fails("future\n", 3, "requirements.txt:1: future==1.0 needs Python >=3.13; the image has Python 3.11.2",
                   "No version of future fits: use another package, or a base image with another Python (--base).")

    def test_no_such_version(self):
        self.fails("alpha==9\n", 3, "requirements.txt:1: there is no version alpha==9",
                   "The newest versions for Python 3.11 are: 2.0, 1.0.")

    def test_source_that_does_not_build(self):
        missing = ("The output says what is missing. Libraries and headers go into apt-packages (for example "
                   "libpq-dev).")
        wheels = f"{missing} Versions with a wheel need no build: 1.0."
        # The first tells what it needs only when it is built, the second is built when everything is known.
        for name in "broken", "late":
            log = self.fails(f"alpha\n{name}\n", 4, f"requirements.txt:2: building {name}==2.0 failed", wheels)
            self.assertIn("    | boom: no headers", log)
            self.assertNotIn("Build failures usually indicate", log)
        self.fails("brings\n", 4, "building broken==2.0, which brings (requirements.txt:1) needs, failed", wheels)
        files = {**project("local"), "backend.py": "import nothing_like_it\n"}
        log = self.fails("alpha\n./local\n", 4, "requirements.txt:2: building local failed", missing,
                         {f"local/{path}": text for path, text in files.items()})
        self.assertNotIn("--no-build-isolation", log)

    def test_not_in_the_links(self):
        self.fails("--no-index -f deps\nalpha\n", 3,
                   "requirements.txt:2: the --find-links places have no file of alpha",
                   "Add its wheel to the directory that --find-links names, or remove --no-index.", {"deps/README": ""})

    def test_hashes(self):
        good = self.index.sha256("alpha-2.0-py3-none-any.whl")
        bad = "a" * 64
        self.fails(f"alpha==2.0 --hash=sha256:{bad}\n", 6,
                   f"requirements.txt:1: alpha-2.0-py3-none-any.whl is not the file that was pinned: expected "
                   f"sha256:{bad}, got sha256:{good}", MISMATCH)
        sha512 = hashlib.sha512(self.index.files["alpha-2.0-py3-none-any.whl"]).hexdigest()
        self.fails(f"alpha==2.0 --hash=sha512:{bad}{bad}\n", 6,
                   f"requirements.txt:1: alpha-2.0-py3-none-any.whl is not the file that was pinned: expected "
                   f"sha512:{bad}{bad}, got sha512:{sha512}", MISMATCH)
        because = "hashes are obligatory since requirements.txt:1 asks for one"
        pinned = f"alpha==2.0 --hash=sha256:{good}\n"
        numbers = self.index.sha256("numbers-1.0-py3-none-any.whl")
        self.fails(f"{pinned}numbers==1.0\n", 3, f"requirements.txt:2: numbers==1.0 has no --hash; {because}",
                   f"If numbers-1.0-py3-none-any.whl is the right file, add --hash=sha256:{numbers}. {ALL_HASHES}")
        self.fails(f"{pinned}numbers\n", 3, f"requirements.txt:2: numbers is not pinned to a version by ==; {because}",
                   f"Write numbers==1.0 --hash=…. {ALL_HASHES}")
        gamma = self.index.sha256("gamma-1.0-py3-none-any.whl")
        self.fails(f"gamma==1.0 --hash=sha256:{gamma}\n", 3,
                   f"alpha==2.0 is needed by another package, but no line pins it; {because}",
                   f"Add alpha==2.0 with its --hash. {ALL_HASHES}")
        self.fails("--require-hashes\n./pkg\n", 3,
                   f"requirements.txt:2: part comes from a directory, which has no hash; {because}",
                   "Build a wheel of it, add that to the app with its --hash, or remove every --hash.",
                   {f"pkg/{path}": text for path, text in project("part").items()})

    def test_conda_style(self):
        self.fails("alpha=1.0\n", 3, "requirements.txt:1: 'alpha=1.0' is how conda writes it: pip needs two '='",
                   'did you mean "alpha==1.0"? Lists made by "conda list --export" belong into conda-requirements.txt')

    def test_unreachable_index(self):
        self.fails("alpha\n", 5, "the package index at 127.0.0.1:9 cannot be reached: Connection refused (os error 111)",
                   "Check the network and the index URL, then try again. Proxy settings in effect: "
                   "https_proxy=http://proxy.example:3128, no_proxy=127.0.0.1.",
                   env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple/", "https_proxy": "http://me:pw@proxy.example:3128",
                        "no_proxy": "127.0.0.1", "UV_HTTP_RETRIES": "0"})

    def test_refused_credentials(self):
        locked = self.enter(PackageIndex(*INDEX, credentials=("me", "s3cret")))
        self.fails("alpha\n", 8, f"the package index at {locked.host} refuses access: 401 Unauthorized",
                   "Check the user name and password in the index URL (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf or the "
                   "requirements), or add the host to ~/.netrc.", env={"PIP_INDEX_URL": locked.url})

    def test_repositories(self):
        self.fails("git+file:///no/such/repository.git\n", 3,
                   "requirements.txt:1: there is no git repository at '/no/such/repository.git' on this machine",
                   "name the repository by its absolute path, for example git+file:///srv/git/project.git")
        log = self.fails("alpha\n-e git+https://me:pw@git.example/x/y#egg=y\n", 5,
                         "requirements.txt:2: cannot get https://git.example/x/y: Could not resolve host: git.example",
                         "Check the network, the proxy settings and the URL of the repository, then try again.")
        self.assertNotIn("me:pw", log)
        self.fails("git+ssh://git@git.example/a/b.git\n", 10,
                   "requirements.txt:1: 'git+ssh://***@git.example/a/b.git': builds have no ssh keys",
                   "use https, with a token from a variable for a private repository: "
                   "git+https://${GIT_TOKEN}@git.example/team/project.git")


if __name__ == "__main__":
    unittest.main(verbosity=2)
