"""Configuration files, environment and options: which wins, what is said about wrong ones, and `config`."""
import json
import os
import subprocess
import unittest

from support import Case, PROGRAM, ROOT, USAGE_HINT, run

# Nothing of this machine's own settings.
CLEAN = {name: "" for name in os.environ if name.startswith("DASH_BUILD_")}


class SettingsTest(Case):
    def setUp(self):
        super().setUp()
        self.config_home = self.scratch / "xdg"
        self.file = self.config_home / "dash-build/config.toml"
        self.file.parent.mkdir(parents=True)
        self.env = {**CLEAN, "DASH_BUILD_HOME": "", "XDG_CONFIG_HOME": str(self.config_home)}

    def config(self, *words, env=None, **options):
        return self.dash("config", *words, env={**self.env, **(env or {})}, **options)

    def values(self, *words, env=None):
        return json.loads(self.config("--json", *words, env=env).stdout)

    def expect_fault(self, text, message, hint, code=3):
        self.file.write_text(text)
        result = self.config(check=False)
        self.assertEqual(result.returncode, code)
        self.assertEqual(result.stderr, f"error: {self.file}{message}\nhint: {hint}\n")

    def test_order(self):
        self.assertEqual(self.values()["compression"], {"value": "zstd", "origin": "default"})
        self.file.write_text('compression = "gzip"\nthreads = 3\noffline = true\nhome = "store"\n')
        values = self.values(env={"DASH_BUILD_THREADS": "5", "DASH_BUILD_OFFLINE": "1"})
        self.assertEqual(values["compression"], {"value": "gzip", "origin": f"{self.file}:1"})
        self.assertEqual(values["threads"], {"value": "5", "origin": "DASH_BUILD_THREADS"})
        self.assertEqual(values["offline"], {"value": "true", "origin": "DASH_BUILD_OFFLINE"})
        # Relative to the file, wherever the program runs.
        self.assertEqual(values["home"]["value"], str(self.file.parent / "store"))
        values = self.values("--threads", "7", "--no-offline", env={"DASH_BUILD_THREADS": "5"})
        self.assertEqual(values["threads"], {"value": "7", "origin": "--threads"})
        self.assertEqual(values["offline"], {"value": "false", "origin": "--no-offline"})

    def test_only_one_file(self):
        self.file.write_text("threads = 3\n")
        other = self.scratch / "other.toml"
        other.write_text("offline = true\n")
        values = self.values(env={"DASH_BUILD_CONFIG": str(other)})
        self.assertEqual(values["threads"]["origin"], "default")
        self.assertEqual(values["offline"]["origin"], f"{other}:1")
        missing = self.config(env={"DASH_BUILD_CONFIG": "/no/such.toml"}, check=False)
        self.assertEqual(missing.returncode, 9)
        self.assertIn("DASH_BUILD_CONFIG names /no/such.toml, which does not exist", missing.stderr)

    def test_system_file(self):
        """/etc is weaker than the user's file. In a mount namespace of its own, over the real /etc."""
        for name in ("upper", "work"):
            (self.scratch / name).mkdir()
        self.file.write_text("threads = 3\n")
        script = (
            f"mount -t overlay -o lowerdir=/etc,upperdir={self.scratch}/upper,workdir={self.scratch}/work o /etc && "
            "mkdir /etc/dash-build && printf 'threads = 2\\nuv = \"/opt/uv\"\\n' > /etc/dash-build/config.toml && "
            f"exec {PROGRAM} config --json"
        )
        out = run("unshare", "--mount", "sh", "-c", script, env=self.env).stdout
        values = json.loads(out)
        self.assertEqual(values["uv"], {"value": "/opt/uv", "origin": "/etc/dash-build/config.toml:2"})
        self.assertEqual(values["threads"]["value"], "3")

    def test_wrong_files(self):
        names = ", ".join(self.values())
        self.expect_fault("# x\ntreads = 4\n", ":2:1: there is no setting 'treads'", f"the settings are {names}")
        self.expect_fault('threads = "4"', ":1:11: threads is a string", "it must be a whole number without quotes")
        self.expect_fault("threads = 4.5", ":1:11: threads is a number with a fraction", "it must be a whole number without quotes")
        self.expect_fault("offline = 1", ":1:11: offline is a whole number", "it must be true or false without quotes")
        self.expect_fault("base = true", ":1:8: base is a boolean", "it must be a string in quotes")
        self.expect_fault("[home]\n", ":1:1: home is a table", "it must be a string in quotes")
        example = 'the file is TOML: lines like home = "/srv/dash-build" or threads = 4'
        self.file.write_text('home = "a\n')
        result = self.config(check=False)
        self.assertEqual(result.returncode, 3)
        self.assertRegex(result.stderr, rf"^error: {self.file}:1:\d+: .+\nhint: {example}\n$")
        self.file.write_text('progress = "fast"')
        self.assertEqual(
            self.config(check=False).stderr,
            f"error: {self.file}:1:12: progress is 'fast', not one of auto, tty, plain, json, quiet\n"
            "hint: mend what is named above, then run the command again\n",
        )
        self.file.write_text('python_runtimes = "3.12=/x"')
        self.assertEqual(
            self.config(check=False).stderr,
            f"error: {self.file}:1:19: python_runtimes is a string\nhint: it must be an array of strings in quotes\n",
        )
        self.file.write_text('python_runtimes = ["3.12=/x", "3.9=/y"]')
        self.assertIn("3.12=/x 3.9=/y", self.config().stdout)
        self.file.write_text('compression = "lzma"')
        result = self.config(check=False)
        self.assertEqual((result.returncode, result.stderr.splitlines()[1]), (3, f"  while reading {self.file}:1:15: compression"))

    def test_wrong_environment_and_options(self):
        result = self.config(env={"DASH_BUILD_THREADS": "many"}, check=False)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "error: DASH_BUILD_THREADS is 'many', not a whole number from 0 to 1024\n" + USAGE_HINT))
        result = self.config("--threads", "-1", check=False)
        self.assertEqual(result.returncode, 2)
        result = self.config("--index-strategy", "best", check=False)
        self.assertEqual(
            result.stderr, "error: --index-strategy is 'best', not one of first-index, unsafe-best-match\n" + USAGE_HINT
        )

    def test_a_wrong_file_leaves_help(self):
        self.file.write_text("treads = 4\n")
        for words in (["build", "--help"], ["version"], ["completion", "bash"], ["--help"]):
            self.assertEqual(self.dash(*words, env=self.env).returncode, 0, words)
        self.assertEqual(self.dash("build", "--help", env=self.env).stderr, "")
        doctor = self.dash("doctor", "--offline", "--json", env=self.env, check=False)
        self.assertEqual(doctor.returncode, 10)
        findings = {f["subject"]: f for f in json.loads(doctor.stdout)["findings"]}
        self.assertEqual(findings["configuration"]["found"], f"{self.file}:1:1: there is no setting 'treads'")

    def test_documentation(self):
        page = (ROOT / "docs/configuration.md").read_text()
        self.assertIn(self.config("--table").stdout, page)

    def test_settings_reach_the_build(self):
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": "web: python\n", "app.py": "\n"})
        plan = lambda *words: json.loads(self.dash("plan", app, "-t", self.tag, "--json", *words).stdout)
        leaves = lambda steps: {l["name"]: l["value"] for s in steps if s["step"] == "python-packages" for l in s["leaves"]}
        self.assertNotIn("bytecode", leaves(plan()))
        changed = leaves(plan("--no-compile-bytecode", "--index-strategy", "unsafe-best-match"))
        self.assertEqual(changed["bytecode"], "omitted")
        self.assertEqual(changed["index strategy"], "unsafe-best-match")
        self.assertNotIn("package layers", leaves(plan("--package-layers", "40")))
        self.assertEqual(leaves(plan("--package-layers", "7"))["package layers"], "7")
        refused = self.dash("plan", app, "--package-layers", "101", check=False)
        self.assertEqual((refused.returncode, refused.stderr), (2, "error: --package-layers is 101, more than 100\n"
                         "hint: an image can't have many more: Docker's overlay2 takes 128 layers in all\n"))
        made = self.build(app, "--no-compile-bytecode", "-o", f"oci:{self.scratch}/layout:latest")
        [digest] = [layer["digest"] for layer in made["layers"] if "colorama" in layer.get("packages", "")]
        blob = self.scratch / "layout/blobs/sha256" / digest.split(":")[1]
        listing = subprocess.run(["sh", "-c", f"zstd -dc {blob} | tar t"], capture_output=True, text=True, check=True)
        self.assertIn("site-packages/colorama/__init__.py", listing.stdout)
        self.assertNotIn(".pyc", listing.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
