"""Locks: versions are kept, upgraded when asked, exported, and used exactly; and what a changed line is told as."""
import json
import subprocess
import time
import unittest

from package_index import PackageIndex, project, wheel
from support import SHARED_STORE, Case, decisions, layers

PIP = wheel("pip", "99.0")
UNCHANGED = "nothing it depends on changed"


class LockCase(Case):
    def setUp(self):
        super().setUp()
        # Names that neither the store nor uv's cache knows.
        self.run_id = f"k{time.time_ns():x}"
        self.a, self.b, self.c = (f"{self.run_id}{letter}" for letter in "abc")
        self.old = [wheel(self.a, "1.0", [self.b]), wheel(self.b, "1.0"), wheel(self.c, "1.0", [f"{self.b}>=2"]), PIP]
        self.new = [*self.old, wheel(self.a, "1.1", [self.b]), wheel(self.b, "2.0")]

    def serve_packages(self, files, **options):
        index = self.enter(PackageIndex(*files, **options))
        self.env = {"PIP_INDEX_URL": index.url, "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "",
                    "UV_DEFAULT_INDEX": "", "PIP_EXTRA_INDEX_URL": "", "NETRC": "/nonexistent"}
        return index

    def app(self, requirements, files=None, to="app"):
        return self.make_app({"Procfile": "web: python app.py\n", "app.py": "\n", **(files or {}),
                              "requirements.txt": requirements}, to)

    def make(self, requirements, *words, files=None, env=None, to="app"):
        """Builds; returns {name: version} of what is installed, without pip."""
        self.made = self.build(self.app(requirements, files, to), *words, env={**self.env, **(env or {})})
        found = {}
        for layer in self.made["layers"]:
            if layer["step"] == "python-packages" and "packages" in layer:
                found.update(entry.split(" ") for entry in layer["packages"].split(", "))
        found.pop("pip", None)
        return {name.removeprefix(self.run_id): version for name, version in found.items()}

    def step(self):
        return next(step for step in self.made["steps"] if step["name"] == "python-packages")

    def lock(self, *words):
        return self.dash("lock", *(words or [self.tag])).stdout

    def forget_wheels(self):
        """Packages of this test must be fetched again."""
        found = list(SHARED_STORE.glob(f"packages/*/{self.run_id}*.whl"))
        self.assertNotEqual(found, [])
        for path in found:
            path.unlink()

    def refused(self, requirements, *words, files=None, env=None):
        result = self.dash("build", self.app(requirements, files, "refused"), "-t", self.tag + "-refused", *words,
                           check=False, env={**self.env, **(env or {})})
        self.assertNotEqual(result.returncode, 0)
        return result


class KeptTest(LockCase):
    def test_versions_are_kept_and_upgraded_when_asked(self):
        self.serve_packages(self.old)
        self.assertEqual(self.make(f"{self.a}\n"), {"a": "1.0", "b": "1.0"})
        # Another server, where newer ones have appeared: nothing of the old one may be left in the answer.
        index = self.serve_packages(self.new)
        kept = self.make(f"{self.a}>=1\n")
        self.assertEqual(kept, {"a": "1.0", "b": "1.0"})
        self.assertIn(f"requirements.txt changed: {self.a} → {self.a}>=1", self.step()["reason"])
        lock = self.lock()
        self.assertIn(index.host, lock)
        self.assertEqual(lock.count("http://"), lock.count(f"http://{index.host}/"))
        # Without any cache, the same: the versions of the last build are part of what is built.
        self.assertEqual(self.make(f"{self.a}>=1\n", "--no-cache"), kept)
        # What must move moves, and what is not required any more goes.
        self.assertEqual(self.make(f"{self.a}>=1\n{self.b}==2.0\n"), {"a": "1.0", "b": "2.0"})
        self.assertEqual(self.make(f"{self.b}\n"), {"b": "2.0"})
        # One package, though there is an answer for these requirements already.
        self.assertEqual(self.make(f"{self.a}==1.0\n{self.b}==1.0\n"), {"a": "1.0", "b": "1.0"})
        self.assertEqual(self.make(f"{self.a}>=1\n", "--upgrade-package", self.b.upper()), {"a": "1.0", "b": "2.0"})
        self.assertEqual(self.step()["reason"], f"--upgrade-package {self.b}")
        plan = self.dash("plan", self.scratch / "app", "-t", self.tag, "--upgrade", env=self.env).stdout
        self.assertRegex(plan, r"python-packages +build +--upgrade\n")
        self.assertEqual(self.make(f"{self.a}>=1\n", "--upgrade"), {"a": "1.1", "b": "2.0"})
        upgraded = self.made["image.digest"]
        self.assertEqual(self.make(f"{self.a}>=1\n"), {"a": "1.1", "b": "2.0"})
        self.assertEqual((self.step()["decision"], self.made["image.digest"]), ("reuse", upgraded))
        self.make(f"{self.a}>=1\n", "--upgrade-package", "unheard-of")
        self.assertIn("--upgrade-package unheard-of: nothing requires unheard-of", self.made["log"])

    def test_a_file_that_was_replaced_in_the_index(self):
        """The same version with another content: the old hash must not survive."""
        self.serve_packages(self.old)
        self.make(f"{self.b}\n")
        name, content = wheel(self.b, "1.0", files={"more.txt": "x"})
        index = self.serve_packages([(name, content), PIP])
        self.assertEqual(self.make(f"{self.b}>=1\n"), {"b": "1.0"})
        self.assertIn(index.sha256(name), self.lock())

    def test_branches_and_local_projects(self):
        repository = self.scratch / "repository"
        name = f"{self.run_id}r"

        def commit(version):
            self.make_app(project(name, version), "repository")
            subprocess.run("git init -q -b main; git add -A; git -c user.name=a -c user.email=a@b.example commit -qm x",
                           shell=True, check=True, cwd=repository)

        commit("1.0")
        self.serve_packages(self.old)
        files = {f"local/{path}": text for path, text in project(f"{self.run_id}l").items()}
        lines = f"git+file://{repository}@main#egg={name}\n./local\n"
        self.assertEqual(self.make(lines, files=files), {"r": "1.0", "l": "1.0"})
        commit("2.0")
        self.assertEqual(self.make(lines + f"{self.b}\n", files=files), {"r": "1.0", "l": "1.0", "b": "1.0"})
        lock, digest = self.lock(), self.made["image.digest"]
        self.assertIn('directory = { path = "/app/local" }', lock)
        self.assertEqual(self.make(lines + f"{self.b}\n", "--upgrade", files=files), {"r": "2.0", "l": "1.0", "b": "1.0"})
        # The lock alone brings the old commit back.
        (self.scratch / "old.toml").write_text(lock)
        self.make(lines + f"{self.b}\n", "--locked", self.scratch / "old.toml", files=files)
        self.assertEqual(self.made["image.digest"], digest)


class LockedTest(LockCase):
    def test_exactly_this_lock(self):
        old = self.serve_packages(self.old)
        requirements = f"{self.a} ; python_version >= '3'\n{self.c} ; python_version < '3'\n"
        self.make(requirements)
        first = self.made["image.digest"]
        file = self.scratch / "exported.toml"
        self.assertEqual(self.lock(self.tag, "-o", file), "")
        self.assertEqual(self.lock(), file.read_text())
        index = self.serve_packages(self.new)
        self.make(requirements, "--upgrade")
        self.assertNotEqual(self.made["image.digest"], first)
        # In either way of building, and no index is asked.
        index.requests.clear()
        for words, reason in (((), "another lock is given"), (("--no-cache",), "--no-cache")):
            self.assertEqual(self.make(requirements, "--locked", file, *words), {"a": "1.0", "b": "1.0"})
            self.assertEqual((self.made["image.digest"], self.step()["reason"]), (first, reason))
        self.assertEqual(index.requests, [])
        self.make(requirements, "--locked", file)
        self.assertEqual(self.step()["reason"], UNCHANGED)
        self.assertEqual(self.lock(), file.read_text())
        plan = self.dash("plan", self.scratch / "app", "-t", self.tag, "--locked", self.tag, env=self.env).stdout
        self.assertRegex(plan, rf"python-packages +reuse +{UNCHANGED}")
        # A store without the files gets them from where the lock says, and asks for nothing else.
        self.forget_wheels()
        old.requests.clear()
        self.make(requirements, "--no-cache", "--locked", file)
        self.assertEqual(sorted(old.requests), [f"/files/{name}-1.0-py3-none-any.whl" for name in (self.a, self.b)])
        self.assertEqual((self.made["image.digest"], index.requests), (first, []))

    def test_a_lock_that_does_not_fit(self):
        self.serve_packages(self.new)
        self.make(f"{self.a}==1.0\n{self.b}<2\n")
        file = self.scratch / "l.toml"
        file.write_text(self.lock())
        a, b = self.a, self.b

        def message(requirements, **options):
            result = self.refused(requirements, "--locked", file, **options)
            self.assertIn("hint: build without --locked", result.stderr)
            return result.stderr.split("error: ")[1].splitlines()[0].replace(str(file), "LOCK")

        self.assertEqual(message(f"{b}\n\n{a}>=1.1,<2\n"),
                         f"requirements.txt:3: '{a}>=1.1,<2' is not what LOCK has: {a} 1.0")
        self.assertEqual(message(f"{self.c}\n"), f"requirements.txt:1: '{self.c}' is not what LOCK has: it has no {self.c}")
        self.assertEqual(message(f"-c limits.txt\n{a}\n", files={"limits.txt": f"{a}==1.1\n"}),
                         f"limits.txt:1: '{a}==1.1' is not what LOCK has: {a} 1.0")
        self.assertEqual(message(f"{a} @ https://files.example/{a}-1.0-py3-none-any.whl\n"),
                         f"requirements.txt:1: '{a} @ https://files.example/{a}-1.0-py3-none-any.whl' is not what LOCK has: "
                         f"{a} from a package index")
        file.write_text(file.read_text().replace('requires-python = ">=3', 'requires-python = ">=93'))
        self.assertRegex(message(f"{a}\n"), r"^LOCK is for Python >=93\S*, and the image has 3\.\d+\.\d+$")
        file.write_text("[[packages\n")
        self.assertIn("is not a lock that can be used", self.refused(f"{a}\n", "--locked", file).stderr)
        for place, code in (("./none.toml", 9), ("no-such-image", 9)):
            self.assertEqual(self.refused(f"{a}\n", "--locked", place).returncode, code)
        self.assertEqual(self.refused(f"{a}\n", "--locked", file, "--upgrade").returncode, 2)
        self.assertEqual(self.dash("lock", "no-such-image", check=False).returncode, 9)

    def test_no_secrets_in_locks(self):
        """They are not in what is kept and shown, and are put in again where files are fetched."""
        password = f"s3cret-{self.run_id}"
        index = self.serve_packages(self.old, credentials=("me", password))
        wheel_name = f"{self.b}-1.0-py3-none-any.whl"
        requirements = (f"--index-url http://${{USER_1}}:${{PASS_1}}@{index.host}/simple/\n{self.a}\n"
                        f"{self.b} @ http://me:${{PASS_1}}@{index.host}/files/{wheel_name}?token=${{PASS_1}}\n")
        env = {"USER_1": "me", "PASS_1": password}
        self.assertEqual(self.make(requirements, env=env), {"a": "1.0", "b": "1.0"})
        first, lock = self.made["image.digest"], self.lock()
        self.assertIn("token=${PASS_1}", lock)
        self.assertNotIn("@", lock)
        file = self.scratch / "l.toml"
        file.write_text(lock)
        self.forget_wheels()
        self.make(requirements, "--no-cache", "--locked", file, env=env)
        self.assertEqual(self.made["image.digest"], first)
        explained = self.dash("plan", self.app(requirements + "six\n"), "-t", self.tag, "--json", env={**self.env, **env}).stdout
        self.assertIn("requirements.txt changed: + six", explained)
        self.assertEqual(subprocess.run(["grep", "-rl", password, SHARED_STORE / "records", SHARED_STORE / "layout"],
                                        capture_output=True, text=True).stdout, "")
        self.assertNotIn(password, self.made["log"] + explained)


class ExplainedTest(LockCase):
    def test_comments_and_changed_lines(self):
        self.serve_packages(self.new)
        files = {"apt-packages": "tree\n"}
        self.make(f"{self.a}==1.0\n{self.b}==1.0\n", files=files)
        self.make(f"# why\n\n{self.a}==1.0   # pinned\r\n{self.b}\\\n==1.0\n", files={"apt-packages": "# why\n  tree  # files\n\n"})
        made = decisions(self.made)
        self.assertEqual((made["python-packages"], made["system-packages"], made["app"]), ("reuse", "reuse", "build"))
        app = self.app(f"{self.b}==2.0\n{self.c}\n", {"apt-packages": "tree less\n"})
        plan = self.dash("plan", app, "-t", self.tag, "--explain", env=self.env).stdout
        self.assertIn(f"requirements.txt changed: {self.b}==1.0 → {self.b}==2.0, + {self.c}, - {self.a}==1.0\n", plan)
        self.assertRegex(plan, r"system-packages +build +apt-packages changed: \+ less\n")
        self.assertRegex(plan, r"\n    requirements\.txt: sha256:[0-9a-f]{64} \(was sha256:[0-9a-f]{64}\)\n")
        self.assertRegex(plan, r"\n    prefix: /app/\.heroku/python\n")
        planned = json.loads(self.dash("plan", app, "-t", self.tag, "--json", env=self.env).stdout)
        leaves = {leaf["name"]: leaf for step in planned if step["step"] == "system-packages" for leaf in step["leaves"]}
        self.assertNotEqual(leaves["apt-packages"]["before"], leaves["apt-packages"]["value"])
        self.assertNotIn("before", leaves["base"])
        built = self.dash("build", self.app(f"{self.b}==2.0\n", {"apt-packages": "tree\n"}), "-t", self.tag, "--explain",
                          "--progress", "json", env=self.env)
        self.assertRegex(built.stdout, r"\n    requirements\.txt: sha256:[0-9a-f]{64} \(was sha256:[0-9a-f]{64}\)\n")
        events = [json.loads(line) for line in built.stderr.splitlines()]
        planned = {event["step"]: event for event in events if event["event"] == "step-planned"}
        before = {leaf["name"]: leaf.get("before") for leaf in planned["python-packages"]["leaves"]}
        self.assertTrue(before["requirements.txt"].startswith("sha256:"))
        self.assertIsNone(before["prefix"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
