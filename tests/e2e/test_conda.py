"""Conda apps: a stand-in for Miniconda chooses, the program installs, and what comes out is an environment of conda's."""
import json
import re
import shutil
import unittest

from conda_apps import NEW, OLD, CondaCase
from support import decisions, layers

from containerd import Containerd
import standin_conda


class CondaTest(CondaCase):
    def test_app(self):
        app = self.copy_app("weather")
        archive = self.scratch / "image.tar"
        first = self.build(app, "-o", f"oci-archive:{archive}:latest", env=self.env)
        self.assertEqual(decisions(first)["conda-packages"], "build")
        lock = self.lock(first)
        self.assertIn("@EXPLICIT\n", lock)
        self.assertRegex(lock, rf"(?m)^{re.escape(self.url)}/channel/linux-64/dash-3\.3\.0-py_0\.tar\.bz2#[0-9a-f]{{32}}$")
        self.assertIn(f"{standin_conda.URL}/linux-64/conda-4.5.12-py311_0.tar.bz2#", lock)
        self.assertNotIn("DryRunExit", first["log"])
        pip_lock = self.lock(first, "python-packages")
        self.assertEqual(re.findall(r'(?m)^name = "(.*)"', pip_lock), ["pyfiglet"])
        self.check_image(archive)

        again = self.build(app, env=self.env)
        self.assertEqual(again["image.digest"], first["image.digest"])
        self.assertEqual(set(decisions(again).values()) - {"skip"}, {"reuse"})
        offline = self.build(app, "--offline", env=self.env)
        self.assertEqual(offline["image.digest"], first["image.digest"])
        anew = self.build(app, "--no-cache", env=self.env)
        self.assertEqual(anew["image.digest"], first["image.digest"])

        requirements = app / "conda-requirements.txt"
        requirements.write_text(requirements.read_text().replace("six==1.16.0", "six==1.17.0"))
        changed = self.build(app, env=self.env)
        self.assertIn("conda-requirements.txt changed", changed["log"])
        # Packages below 128 KiB share layers: that of six, and that of conda-meta/history.
        new = set(layers(changed, "conda-packages")) - set(layers(first, "conda-packages"))
        self.assertEqual(len(new), 2, new)

    def check_image(self, archive):
        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(archive), "weather", 8065)
        self.assertIn("<title>Weather</title>", containerd.page("weather", 8065))
        self.assertIn("WEATHER", containerd.page("weather", 8065, "/_dash-layout"))

        def run(*words):
            return containerd.exec("weather", "/exec", *words).stdout

        self.assertIn("/app/.heroku/miniconda/bin/python", run("python", "-c", "import sys; print(sys.executable)"))
        self.assertIn("conda 4.5.12", run("conda", "--version"))
        self.assertEqual(run("cat", "/app/.heroku/miniconda/condarc.d/dash-build.yml"), "auto_update_conda: false\n")
        listed = {entry["name"]: entry["version"] for entry in json.loads(run("conda", "list", "--json"))}
        self.assertEqual((listed["dash"], listed["six"], listed["conda"]), ("3.3.0", "1.16.0", "4.5.12"))
        self.assertIn("No broken requirements found", run("python", "-m", "pip", "check"))
        more = ("--yes", "--override-channels", "-c", f"{self.url}/channel", "humanize")
        self.assertIn("+ humanize-4.12.3", run("conda", "install", *more))
        self.assertIn("1.0 kB", run("python", "-c", "import humanize; print(humanize.naturalsize(1000))"))
        self.assertIn("No broken requirements found", run("python", "-m", "pip", "check"))

    def test_pip_replaces(self):
        """Another version than conda's: pip's comes, and nothing of the other stays."""
        app = self.app("six=1.17.0\n", **{"requirements.txt": "six==1.15.0\n"})
        archive = self.scratch / "image.tar"
        self.build(app, "-o", f"oci-archive:{archive}:latest", env=self.env)
        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(archive), "replaced", 8066)
        containerd.page("replaced", 8066)
        show = "import six, importlib.metadata as m; print(six.VERSION, [d.version for d in m.distributions(name='six')])"
        self.assertIn("1.15.0 ['1.15.0']", containerd.exec("replaced", "/exec", "python", "-c", show).stdout)

    def test_new_installer(self):
        """Today's format, in which answers have URLs and digests; the first digest is kept."""
        app = self.app("humanize\n", NEW)
        metadata = self.build(app, env=self.env)
        lock = self.lock(metadata)
        self.assertRegex(lock, r"/noarch/humanize-4\.12\.3-pyhd_1\.conda#[0-9a-f]{32}")
        self.assertIn("/conda-24.1.2-py311_0.conda#", lock)
        # Taken as a file of the app it gives the same environment without a solver.
        shutil.rmtree(app)
        taken = self.build(self.app(lock, NEW), env=self.env)
        self.assertNotIn("chooses packages", taken["log"])
        self.assertEqual(self.lock(taken), lock)

    def test_runtime_alone(self):
        """Without conda-requirements.txt the image has the runtime."""
        metadata = self.build(self.app(None), env=self.env)
        self.assertEqual(len(re.findall(r"(?m)^https:", self.lock(metadata))), 5)

    def test_credentials(self):
        """A password in .condarc is in its own app's image and in no other; nothing of it is printed."""
        place = self.scratch / "served/t/T0KEN"
        place.mkdir(parents=True)
        (place / "channel").symlink_to(self.standin / "channel")
        host = self.serve(self.scratch / "served").removeprefix("http://")

        def make(login):
            shutil.rmtree(self.scratch / "made", ignore_errors=True)
            condarc = f"channels:\n  - http://{login}{host}/t/T0KEN/channel\n  - defaults\n" if login else "channels:\n  - defaults\n"
            return self.build(self.app("six==1.17.0\n", **{".condarc": condarc}), env=self.env)

        first, second = make("me:s3cret@"), make("you:other@")
        self.assertEqual(decisions(second)["conda-packages"], "build")
        self.assertNotEqual(layers(first, "conda-packages"), layers(second, "conda-packages"))
        for made in first, second:
            self.assertIn(".condarc has a password or token, which the image has then too", made["log"])
            self.assertNotRegex(made["log"] + self.lock(made), "s3cret|other@|T0KEN")
        self.assertNotIn("password", make("")["log"])
        self.assertEqual(layers(make("me:s3cret@"), "conda-packages"), layers(first, "conda-packages"))

    def test_installer_mended(self):
        """What a server had wrongly once is not kept."""
        directory = self.scratch / "served/miniconda"
        directory.mkdir(parents=True)
        name = "Miniconda3-py311_24.1.2-0-Linux-x86_64.sh"
        right = (self.standin / "installers/miniconda" / name).read_bytes()
        env = {**self.env, "DASH_BUILD_CONDA_BASE_URL": self.serve(directory.parent)}
        app = self.app(None, NEW)
        for content, said in ((right[:-1000], "damaged"), (b"", "is no installer: it is empty"),
                              (b"<!DOCTYPE html>\nlog in\n", "is no installer: it starts with '<!DOCTYPE html>'"),
                              (b"#!/bin/sh\r\nexit 0\r\n", "is no installer: it starts with")):
            (directory / name).write_bytes(content)
            result = self.dash("build", app, "-t", self.tag + "-wrong", check=False, env=env)
            self.assertEqual(result.returncode, 6, result.stderr)
            self.assertIn(said, result.stderr)
        (directory / name).write_bytes(right)
        self.build(app, env=env)

    def test_errors(self):
        def build(app, *words, env=None):
            return self.dash("build", app, "-t", self.tag, *words, check=False, env={**self.env, **(env or {})})

        result = build(self.app("no-such-package\n"))
        message = self.assert_failed(result, 3, "conda finds no package for a line of conda-requirements.txt", "hint: ")
        self.assertIn("no-such-package", message)
        shutil.rmtree(self.scratch / "made")
        result = build(self.app("six\n", "Miniconda3-latest"), "--offline")
        self.assert_failed(result, 10, "conda-runtime.txt names Miniconda3-latest, and builds without a network have "
                           "Miniconda3-4.5.12 and Miniconda2-4.5.12 only")
        result = build(self.scratch / "made", env={"DASH_BUILD_CONDA_BASE_URL": "", "BUILDPACK_CONTINUUM_URL": ""})
        self.assert_failed(result, 5, "nobody says where Miniconda3-latest-Linux-x86_64.sh can be downloaded",
                           "conda_base_url")
        result = build(self.scratch / "made", "--workspace")
        self.assert_failed(result, 10, "Workspaces run pip apps only")
        shutil.rmtree(self.scratch / "made")
        wrong = {"DASH_BUILD_CONDA_INSTALLERS": f"{OLD}={'0' * 64}"}
        result = build(self.app("six\n"), env=wrong)
        self.assert_failed(result, 6, f"{OLD}-Linux-x86_64.sh")


if __name__ == "__main__":
    unittest.main(verbosity=2)
