"""Random edits of a real app with real commands: an incremental build is what a build without cache comes to.

Environment: DASH_SEED (default 1) is where the random edits start.
"""
import json
import os
import random
import shutil
import unittest

from debian import make_deb
from package_index import PackageIndex, wheel
from support import Case, pinned_uv

SEQUENCES = 20
SEED = int(os.environ.get("DASH_SEED", "1"))
VERSIONS = ("1.0", "1.1", "2.0")
NAMES = ("alpha", "beta", "gamma", "tall")


class SoundnessTest(Case):
    def setUp(self):
        super().setUp()
        files = [wheel(name, version, requires=["beta"] if name == "tall" else []) for name in NAMES for version in VERSIONS]
        index = self.enter(PackageIndex(*files, wheel("pip", "1.0")))
        self.environment = {
            "PIP_INDEX_URL": index.url, "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "", "PIP_EXTRA_INDEX_URL": "",
            "DASH_BUILD_UV": pinned_uv(),
        }
        # The base image goes from store to store: bootstrapping it again would prove nothing here.
        plain = self.make_app({"requirements.txt": "pip\n", "Procfile": "web: true\n"}, "plain")
        self.build(plain, env=self.environment)
        self.base = self.scratch / "base"
        self.dash("copy", "dash-build/base:bookworm", f"oci:{self.base}:base")
        self.debs = [make_deb(self.scratch, "own", version) for version in ("1.0", "1.1")]
        self.random = random.Random(SEED)
        self.pins = {"alpha": "1.0", "tall": None}
        self.options = {}
        self.app = self.make_app({
            "app.py": "0\n", "Procfile": "web: python\n", "apt-sources-list": "", "requirements.txt": "alpha==1.0\ntall\n",
        }, "app")

    def toggle(self, path, content):
        file = self.app / path
        if file.exists() and self.random.random() < 0.5:
            return file.unlink()
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)

    def number(self):
        return self.random.randrange(5)

    def write_requirements(self, comment=""):
        lines = [name + (f"=={version}" if version else "") for name, version in sorted(self.pins.items())]
        (self.app / "requirements.txt").write_text("\n".join([*lines, comment]) + "\n")

    def pin(self):
        self.pins[self.random.choice(NAMES)] = self.random.choice([None, *VERSIONS])
        self.write_requirements()

    def unpin(self):
        self.pins.pop(self.random.choice(list(self.pins) or ["none"]), None)
        self.write_requirements()

    def deb(self):
        place = self.app / "dpkg-packages"
        if place.exists() and self.random.random() < 0.3:
            return shutil.rmtree(place)
        place.mkdir(exist_ok=True)
        shutil.copy(self.random.choice(self.debs), place / "own.deb")

    def predeploy(self):
        script = f"cat app.py > made; python -c 'import alpha' 2>/dev/null && echo yes >> made; echo {self.number()} >> made; ls -R /usr/share/own* >> made || true"
        self.toggle("app.json", json.dumps({"scripts": {"dokku": {"predeploy": script}}}))

    def option(self):
        name, values = self.random.choice([
            ("--compression", ["zstd", "gzip"]), ("--package-layers", ["2", "40"]), ("--env", ["MODE=1", "MODE=2"])])
        self.options[name] = self.random.choice(values)

    def edits(self):
        return {
            "source": lambda: (self.app / "app.py").write_text(f"{self.number()}\n"),
            "file": lambda: self.toggle("pages/page.py", f"{self.number()}\n"),
            "touch": lambda: os.utime(self.app / "app.py"),
            "mode": lambda: (self.app / "app.py").chmod(self.random.choice([0o644, 0o755])),
            "comment": lambda: self.write_requirements(f"# {self.number()}"),
            "pin": self.pin, "unpin": self.unpin, "deb": self.deb, "predeploy": self.predeploy, "option": self.option,
            "procfile": lambda: (self.app / "Procfile").write_text(f"web: python -m http.server {self.number()}\n"),
            "ignore": lambda: self.toggle(".slugignore", "pages\n"),
            "hook": self.hook,
        }

    def hook(self):
        self.toggle("bin/post_compile", "#!/bin/sh\ncat app.py > compiled\n")

    def make(self, *words, store):
        words = [*words, "--base", f"oci:{self.base}:base", *(word for pair in self.options.items() for word in pair)]
        return self.build(self.app, *words, store=store, env=self.environment)

    def test_random_edits(self):
        story = [f"seed {SEED}"]
        lock = self.scratch / "lock.toml"
        edits = self.edits()
        used, clean = self.scratch / "used", self.scratch / "clean"
        for sequence in range(SEQUENCES):
            story.append(f"sequence {sequence}:")
            for name in self.random.choices(sorted(edits), k=3):
                story.append(name)
                edits[name]()
            incremental = self.make(store=used)
            lock.write_text(self.dash("lock", self.tag, store=used).stdout)
            again = self.make("--no-cache", "--locked", lock, store=clean)
            self.assertEqual(again["image.digest"], incremental["image.digest"], " ".join(story))
        self.dash("validate", store=used)


if __name__ == "__main__":
    unittest.main(verbosity=2)
