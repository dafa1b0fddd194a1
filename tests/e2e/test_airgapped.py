"""Apps built where there is no network: what they need is collected, carried as a file, and served by a plain web server."""
import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

from support import PROGRAM, layers, run

from conda_apps import NEW, OLD, CondaCase
from containerd import Containerd
from no_network import no_network

PORT = 8123
MIRROR = f"http://127.0.0.1:{PORT}"
PACKAGE_STEPS = ("conda-runtime", "conda-packages", "python-packages")


@contextlib.contextmanager
def web_server(directory):
    words = [sys.executable, "-m", "http.server", str(PORT), "--bind", "127.0.0.1", "--directory", str(directory)]
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{MIRROR}/dash-build.toml").close()
                break
            time.sleep(0.1)
        yield
    finally:
        server.kill()
        server.wait()


class AirgappedTest(CondaCase):
    def mirror(self, output, *words):
        """Its own environment: uv comes from the package index that this machine has."""
        conda = {key: value for key, value in self.env.items() if key.startswith("DASH_BUILD_CONDA_")}
        return self.dash("mirror", "packages", output, *words, "--url", MIRROR, env=conda)

    def test_conda_app(self):
        app = self.copy_app("weather")
        connected = self.build(app, env=self.env)
        bundle = self.scratch / "carried.tar"
        result = self.mirror(bundle, self.tag)
        self.assertRegex(result.stdout, r": 1 conda installer, \d\d conda packages, 2 Python distributions, ")
        # The same again is the same file.
        digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
        self.mirror(bundle, self.tag)
        self.assertEqual(hashlib.sha256(bundle.read_bytes()).hexdigest(), digest)
        base = self.base_image()

        site = self.scratch / "site"
        site.mkdir()
        run("tar", "-xf", bundle, "-C", site)
        settings = (site / "dash-build.toml").read_text()
        self.assertIn(f'{self.url}/channel={MIRROR}/conda/', settings)
        self.env = {
            "DASH_BUILD_CONFIG": str(site / "dash-build.toml"), "DASH_BUILD_CONDARC": self.env["DASH_BUILD_CONDARC"],
            "PIP_INDEX_URL": f"{MIRROR}/simple/", "PIP_CONFIG_FILE": "/dev/null", "UV_DEFAULT_INDEX": "",
            "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "DASH_BUILD_UV": "", "DASH_BUILD_CONDA_INSTALLERS": "",
        }
        with no_network(), web_server(site):
            with self.assertRaisesRegex(OSError, "Network is unreachable"):
                socket.create_connection(("192.0.2.1", 443), timeout=5)
            self.build_and_run(app, base, connected)
            self.tag = "test/refused"
            self.refusals(base)

    def base_image(self):
        """The base image that builds made, as a file."""
        archive = self.scratch / "base.tar"
        self.dash("copy", "dash-build/base:bookworm", f"oci-archive:{archive}:base")
        return archive

    def build_and_run(self, app, base, connected):
        store = self.scratch / "store"
        image = self.scratch / "image.tar"
        built = self.build(app, "--base", f"oci-archive:{base}", "-o", f"oci-archive:{image}:latest", env=self.env, store=store)
        # Locks and layers name the servers that the mirror stands for.
        for step in PACKAGE_STEPS:
            self.assertEqual(layers(built, step), layers(connected, step), step)
        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(image), "weather", 8067)
        self.assertIn("<title>Weather</title>", containerd.page("weather", 8067))
        containerd.remove("weather")

    def refusals(self, base):
        def build(app, *words, env=None):
            words = ("build", app, "-t", self.tag, "--base", f"oci-archive:{base}", *words)
            return self.dash(*words, check=False, env={**self.env, **(env or {})}, store=self.scratch / "other")

        result = build(self.app("six\n", "Miniconda3-latest"))
        self.assert_failed(result, 10, "conda-runtime.txt names Miniconda3-latest, and builds without a network have "
                           "Miniconda3-4.5.12 and Miniconda2-4.5.12 only")
        app = self.app("six\n", OLD, **{".condarc": "channels:\n  - https://elsewhere.example/main\n"})
        result = build(app)
        self.assert_failed(result, 5, ".condarc:2: no mirror is configured for https://elsewhere.example/main, and "
                           "builds on this machine are airgapped", "hint: ", "dash-build mirror packages")
        (app / ".condarc").unlink()
        (app / "conda-requirements.txt").write_text("no-such-package\n")
        self.assert_failed(build(app), 3, "conda finds no package for a line of conda-requirements.txt")
        # A package that is listed, and missing: which file it is, and where it was looked for.
        (app / "conda-requirements.txt").write_text("six==1.16.0\n")
        missing = next((self.scratch / "site/conda").rglob("six-1.16.0-*"))
        missing.rename(missing.with_suffix(".away"))
        self.assert_failed(build(app), 9, f"{MIRROR}/conda/", missing.name, "hint: It belongs into the mirror.")
        missing.with_suffix(".away").rename(missing)
        (app / "requirements.txt").write_text("pyfiglet\n")
        result = build(app, env={"PIP_INDEX_URL": ""})
        self.assert_failed(result, 5, "no package index is configured, and builds on this machine are airgapped", "hint: ")

    def test_several_apps(self):
        """A directory keeps what other apps brought; locks are as good as images."""
        site = self.scratch / "site"
        lock = self.scratch / "lock.txt"
        self.build(self.app("six==1.17.0\n"), env=self.env)
        lock.write_text(self.dash("lock", "--conda", self.tag).stdout)
        self.assertIn("@EXPLICIT", lock.read_text())
        self.mirror(site, self.tag)
        first = json.loads((site / "mirror.json").read_text())
        self.assertEqual(list(first["installers"]), [OLD])
        self.build(self.second_app(), env=self.env)
        report = json.loads(self.mirror(site, self.tag, lock, "--json").stdout)
        self.assertEqual(report["installers"], 1)
        self.assertEqual(set(json.loads((site / "mirror.json").read_text())["installers"]), {OLD, NEW})
        lists = [json.loads(path.read_text()) for path in site.rglob("repodata.json")]
        names = {name for one in lists for name in (*one["packages"], *one["packages.conda"])}
        self.assertTrue({"six-1.17.0-py_0.tar.bz2", "humanize-4.12.3-pyhd_1.conda"} <= names, names)
        self.assertEqual(names, {path.name for path in site.rglob("conda/**/*") if path.suffix in (".bz2", ".conda")})

    def second_app(self):
        return self.make_app({"Procfile": "web: python -m http.server $PORT\n", "conda-runtime.txt": NEW + "\n",
                              "conda-requirements.txt": "humanize\n"}, to="second")

    def test_errors(self):
        result = run(PROGRAM, "mirror", "packages", self.scratch / "out", "no/such:image", check=False,
                     env={"DASH_BUILD_HOME": str(self.scratch / "empty")})
        self.assertEqual(result.returncode, 9, result.stderr)
        wrong = self.scratch / "requirements.txt"
        wrong.write_text("six==1.0\n")
        result = run(PROGRAM, "mirror", "packages", self.scratch / "out", wrong, check=False)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("requirements.txt", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
