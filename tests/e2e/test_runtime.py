"""runtime.txt asks for a Python that the base image does not have: it comes from a configured archive."""
import hashlib
import io
import pathlib
import re
import tarfile
import unittest

from support import SCRATCH, Case, decisions, layers

from containerd import Containerd

DEBIAN = "3.11.2"  # what the default base image has, and this machine
WANTED = "3.11.9"


# Debian's interpreter looks into its own package directories; every other one into this.
SITE = """
import os, site, sys
site.addsitedir(os.path.join(sys.prefix, "lib/python3.11/site-packages"))
"""


def make_runtime(target, version=WANTED, top="python"):
    """An archive in the layout of python-build-standalone's "install_only": this machine's Debian interpreter, made
    with the usual package directory, and saying another version of the same length."""
    library = pathlib.Path("/usr/lib/python3.11")
    binary = pathlib.Path("/usr/bin/python3.11").read_bytes()
    assert DEBIAN.encode() in binary

    def wanted(entry):
        name = pathlib.PurePosixPath(entry.name).name
        if name in ("__pycache__", "dist-packages", "EXTERNALLY-MANAGED", "sitecustomize.py") or entry.name.endswith("/test"):
            return None
        return entry

    with tarfile.open(target, "w:gz", compresslevel=1) as tar:

        def add(name, content, mode=0o644):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))

        tar.add(library, f"{top}/lib/python3.11", filter=wanted)
        add("lib/python3.11/sitecustomize.py", SITE.encode())
        add("lib/python3.11/site-packages/leftover.py", b"raise SystemExit('should not be here')\n")
        add("bin/python3.11", binary.replace(DEBIAN.encode(), version.encode()), 0o755)
        add("bin/pip3", b"#!/bin/sh\nexit 9\n", 0o755)
    return hashlib.sha256(target.read_bytes()).hexdigest()


class RuntimeTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        SCRATCH.mkdir(parents=True, exist_ok=True)
        cls.archive = SCRATCH / f"cpython-{WANTED}-x86_64.tar.gz"
        cls.digest = make_runtime(cls.archive)
        cls.addClassCleanup(cls.archive.unlink)

    def app(self, runtime, to="made"):
        files = {
            "Procfile": "web: python -m http.server $PORT\n",
            "requirements.txt": "colorama==0.4.6\n./local\n",
            "runtime.txt": runtime,
            "local/setup.py": "import setuptools\nsetuptools.setup(name='local', version='1', py_modules=['local'])\n",
            "local/local.py": "",
        }
        return self.make_app(files, to=to)

    def test_archive_from_a_server(self):
        app = self.app(f"python-{WANTED}\r\n")
        url = self.serve(self.archive.parent)
        flag = ["--python-runtime", f"{WANTED}={url}/cpython-{{version}}-{{machine}}.tar.gz#sha256={self.digest}"]
        image = self.scratch / "image.tar"
        first = self.build(app, *flag, "-o", f"oci-archive:{image}")
        self.assertEqual(decisions(first)["python-runtime"], "fetch")
        self.assertEqual(len(layers(first, "python-runtime")), 2)  # interpreter, bytecode

        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(image), "app", 8071)
        containerd.page("app", 8071)

        def python(code):
            return containerd.exec("app", "/exec", "python", "-c", code).stdout.strip()

        self.assertEqual(python("import platform; print(platform.python_version())"), WANTED)
        self.assertEqual(
            python("import sys, colorama, local; print(sys.executable, sys.prefix, colorama.__file__)"),
            "/app/.heroku/python/bin/python /app/.heroku/python "
            "/app/.heroku/python/lib/python3.11/site-packages/colorama/__init__.py",
        )
        listed = containerd.exec("app", "/exec", "python", "-m", "pip", "list", "--format", "freeze").stdout
        self.assertEqual(sorted(re.findall(r"^[^=\n]+", listed, re.MULTILINE)), ["colorama", "local", "pip"])
        # Everything is the app user's, and nothing has to be compiled when it starts.
        self.assertEqual(
            containerd.exec("app", "/exec", "python", "-c", "import os; print(os.stat(os.__file__).st_uid)").stdout.strip(),
            "32767",
        )
        compiled = python("import json; print(json.__cached__); print(open(json.__cached__, 'rb').read()[4])").split()
        self.assertEqual(compiled, ["/app/.heroku/python/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc", "3"])

        # The same archive at another place is the same.
        moved = ["--python-runtime", f"{WANTED}={self.archive}#sha256={self.digest}"]
        again = self.build(app, *moved)
        self.assertEqual(set(decisions(again).values()) - {"skip"}, {"reuse"})
        self.assertEqual(again["image.digest"], first["image.digest"])

    def test_base_image_that_fits_is_used(self):
        flag = ["--python-runtime", f"{WANTED}={self.archive}#sha256={self.digest}"]
        app = self.app("python-3.11\n")
        metadata = self.build(app, *flag)
        self.assertEqual(decisions(metadata)["python-runtime"], "skip")
        self.assertIn(f"[python-runtime] skip: the image has Python {DEBIAN}", metadata["log"])
        self.assertRegex(self.dash("plan", app, "-t", self.tag, *flag).stdout, r"python-runtime +skip +the image has")

    def refused(self, runtime, flags, code):
        app = self.app(runtime, to=f"refused-{len(list(self.scratch.iterdir()))}")
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", *flags, check=False)
        self.assertEqual(result.returncode, code, result.stderr)
        message = result.stderr[result.stderr.index("error: ") :].splitlines()
        return [message[0], *[line for line in message if line.startswith("hint: ")]]

    def test_messages(self):
        place = f"{self.archive}#sha256={self.digest}"
        flags = ["--python-runtime", f"3.10.14={place}", "--python-runtime", f"3.12.1={place}"]
        self.assertEqual(
            self.refused("python-3.13\n", flags, 10),
            [
                f"error: runtime.txt asks for Python 3.13, but the base image has {DEBIAN} and there are archives of "
                "3.10.14, 3.12.1",
                "hint: change runtime.txt to python-3.11, name a base image with that Python by --base, or an archive of "
                "it by --python-runtime",
            ],
        )
        wrong = f"{self.archive}#sha256={'0' * 64}"
        self.assertEqual(
            self.refused(f"python-{WANTED}\n", ["--python-runtime", f"{WANTED}={wrong}"], 6)[0],
            f"error: {self.archive} does not have the digest that is configured",
        )
        other = f"3.11.8={place}"
        self.assertEqual(
            self.refused("python-3.11.8\n", ["--python-runtime", other], 3)[0],
            f"error: the runtime archive {self.archive.name} is configured as Python 3.11.8 but is {WANTED}",
        )
        nothing = f"3.12.1={place}"
        self.assertEqual(
            self.refused("python-3.12\n", ["--python-runtime", nothing], 3)[0],
            f"error: the runtime archive {self.archive.name} has no bin/python3.12 with lib/python3.12/os.py below its "
            "top directory",
        )
        self.assertEqual(
            self.refused("python-3.12\n", ["--python-runtime", "3.12=x#sha256=1"], 2)[0],
            "error: the Python runtime '3.12=x#sha256=1' does not start with a version like 3.12.7",
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
