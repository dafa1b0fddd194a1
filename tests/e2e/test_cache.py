"""Building where nothing is stored: layers of earlier builds that are in a registry."""
import os
import re
import time
import unittest

from package_index import PackageIndex, noisy_wheel
from registries import Meter, RegistryServer, need_program
from support import Case, decisions, pinned_uv, run

KIB = 1024


def stored(store):
    """Bytes of blobs in a store."""
    return sum(file.stat().st_size for file in (store / "layout/blobs").rglob("*") if file.is_file())


class CacheTest(Case):
    SIZES = {"heavy": 900 * KIB, "frames": 400 * KIB, "tiny": 10 * KIB}

    def setUp(self):
        super().setUp()
        run_name = f"c{time.time_ns():x}"
        self.names = {name: f"{run_name}_{name}" for name in self.SIZES}
        files = [
            noisy_wheel(self.names[name], version, size)
            for name, size in self.SIZES.items() for version in ("1.0", "1.1")
        ]
        self.index = self.enter(PackageIndex(*files, noisy_wheel("pip", "1.0", KIB)))
        self.environment = {
            "PIP_INDEX_URL": self.index.url, "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "", "PIP_EXTRA_INDEX_URL": "",
            "DASH_BUILD_UV": pinned_uv(),
        }
        self.registry = RegistryServer(need_program("docker-registry"), self.scratch / "registry")
        self.addCleanup(self.registry.stop)
        self.meter = Meter(self.registry.port)
        self.image = f"{self.meter.address}/team/app"
        self.app = self.make_app({
            "requirements.txt": self.requirements(), "Procfile": "web: python\n", "app.py": "first\n",
            "apt-packages": "", "app.json": '{"scripts": {"dokku": {"predeploy": "echo made > made"}}}',
        })

    def requirements(self, **versions):
        return "".join(f"{name}=={versions.get(key, '1.0')}\n" for key, name in self.names.items())

    def make(self, *words, store=None, env=None):
        made = self.build(
            self.app, *words, **({"store": store} if store else {}), env={**self.environment, **(env or {})}
        )
        made["wheels"] = sorted(re.findall(r"^\[python-packages\] (\S+\.whl) \S+ \S+$", made["log"], re.M))
        return made

    def empty_store(self, name="empty"):
        return self.scratch / name

    def test_an_unchanged_app_on_an_empty_store(self):
        first = self.make("--push", self.image)
        self.meter.clear()
        store = self.empty_store()
        # Nothing could be run.
        second = self.make("--push", self.image, store=store, env={"PATH": ""})
        self.assertEqual(second["image.digest"], first["image.digest"])
        self.assertEqual(set(decisions(second).values()), {"reuse"})
        self.assertIn(f"nothing it depends on changed since {self.image}:latest",
                      [step["reason"] for step in second["steps"]])
        # The manifest and the configuration came, no layer did; and nothing was sent.
        self.assertLess(stored(store), 256 * KIB)
        self.assertLess(self.meter.proxy.bytes["down"], 256 * KIB)
        self.assertEqual(self.meter.count("GET"), 1)
        self.assertEqual(self.meter.count("POST", "PUT", "PATCH", path=""), 0)

        with self.subTest("unchanged here, too"):
            self.meter.clear()
            third = self.make("--push", self.image)
            self.assertEqual(third["image.digest"], first["image.digest"])
            self.assertEqual(self.meter.count("GET", "HEAD", path=""), 1)

        with self.subTest("under another name its layers are mounted"):
            self.meter.clear()
            other = f"{self.meter.address}/other/app"
            made = self.make("--push", other, "--cache-from", self.image, store=self.empty_store("second"), env={"PATH": ""})
            self.assertEqual(made["image.digest"], first["image.digest"])
            self.assertLess(self.meter.proxy.bytes["up"], 128 * KIB)
            inspected = run("skopeo", "inspect", "--tls-verify=false", f"docker://{other}:latest").stdout
            self.assertIn(first["image.digest"], inspected)

        with self.subTest("without --push everything comes here"):
            store = self.empty_store("third")
            made = self.make("--cache-from", self.image, store=store, env={"PATH": ""})
            self.assertEqual(made["image.digest"], first["image.digest"])
            self.dash("validate", store=store)
            self.assertIn(self.tag, self.dash("images", store=store).stdout)

    def test_changes(self):
        self.make("--push", self.image, "--cache-to", f"{self.image}-cache:all")
        with self.subTest("source"):
            (self.app / "app.py").write_text("second\n")
            (self.app / "app.json").unlink()
            self.meter.clear()
            store = self.empty_store()
            made = self.make("--push", self.image, store=store, env={"PATH": ""})
            self.assertEqual(decisions(made)["app"], "build")
            self.assertEqual(decisions(made)["python-packages"], "reuse")
            self.assertLess(stored(store), 256 * KIB)
            self.assertLess(self.meter.proxy.bytes["up"], 128 * KIB)
            self.assertIn("source changed: app.py, - app.json", [step["reason"] for step in made["steps"]])
            self.assertRegex(made["log"], rf"(?m)^\[push\] {self.image}:latest: 2 blobs sent \([\d.]+ kB\), 0 mounted, \d+ already there$")
            self.assertEqual(self.make()["image.digest"], made["image.digest"])
            self.assertEqual(run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{self.image}:latest")
                             .stdout.strip(), made["image.digest"])
        with self.subTest("a changed pin, with what was published"):
            (self.app / "requirements.txt").write_text(self.requirements(frames="1.1"))
            store = self.empty_store("second")
            self.meter.clear()
            made = self.make("--push", self.image, "--cache-from", f"{self.image}-cache:all", store=store)
            self.assertEqual(decisions(made)["python-packages"], "build")
            self.assertIn("requirements.txt", next(s["reason"] for s in made["steps"] if s["name"] == "python-packages"))
            self.assertEqual(made["wheels"], [f"{self.names['frames']}-1.1-py3-none-any.whl"])
            self.assertLess(self.meter.proxy.bytes["up"], self.SIZES["frames"] + 256 * KIB)
            self.assertEqual(self.make("--no-cache")["image.digest"], made["image.digest"])
            # Layers of the packages that did not change stayed where they are.
            here = set(os.listdir(store / "layout/blobs/sha256"))
            # A plan sees what a build would.
            (self.app / "requirements.txt").write_text(self.requirements())
            plan = ["plan", self.app, "-t", self.tag]
            planned = self.dash(*plan, "--cache-from", f"{self.image}-cache:all", store=self.empty_store("plan"), env=self.environment)
            self.assertRegex(planned.stdout, rf"(?m)^python-packages +reuse +nothing it depends on changed since {self.image}-cache:all$")
            self.assertRegex(self.dash(*plan, store=self.empty_store("bare"), env=self.environment).stdout,
                             "(?m)^python-packages +build +not built before$")
            heavy = [l for l in made["layers"] if f"{self.names['heavy']} 1.0" in l.get("packages", "")]
            self.assertEqual(len(heavy), 1)
            self.assertNotIn(heavy[0]["digest"].removeprefix("sha256:"), here)

    def test_what_cannot_be_had_is_a_warning(self):
        made = self.make("--cache-from", f"{self.image}:none", "--cache-from", "127.0.0.1:1/x/y:1")
        self.assertIn(f"there is no {self.image}:none to reuse layers of", made["log"])
        self.assertIn("nothing is reused from 127.0.0.1:1/x/y:1", made["log"])
        with self.subTest("a damaged layer"):
            self.make("--push", self.image)
            heavy = next(l for l in self.make()["layers"] if f"{self.names['heavy']} 1.0" in l.get("packages", ""))
            digest = heavy["digest"].removeprefix("sha256:")
            blob = self.registry.data / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
            blob.write_bytes(b"x" * heavy["size"])
            result = self.dash("build", self.app, "-t", self.tag, "--cache-from", self.image, store=self.empty_store(),
                               check=False, env={**self.environment, "PATH": ""})
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("does not match its digest", result.stderr)
            self.assertFalse((self.empty_store() / "layout/blobs/sha256" / digest).exists())

    def test_a_base_image_in_a_registry(self):
        self.make()
        base = f"{self.meter.address}/bases/debian:12"
        self.dash("push", "dash-build/base:bookworm", base)
        by_name = self.make("--base", "dash-build/base:bookworm")
        self.meter.clear()
        remote = self.make("--base", f"docker://{base}")
        self.assertEqual(remote["image.digest"], by_name["image.digest"])
        self.assertEqual(self.meter.count("GET", path=""), 1)
        self.assertEqual(decisions(self.make("--base", f"docker://{base}"))["base"], "reuse")
        with self.subTest("what came from a registry is mounted there"):
            self.dash("pull", base, "-t", "debian", store=self.empty_store())
            self.meter.clear()
            self.dash("push", "debian", f"{self.meter.address}/bases/copy:12", store=self.empty_store())
            self.assertLess(self.meter.proxy.bytes["up"], 16 * KIB)
            store = self.empty_store("with-base")
            made = self.make("--base", f"docker://{base}", "--push", f"{self.meter.address}/team/on-base", store=store)
            self.assertRegex(made["log"], r"(?m)^\[push\] \S+/team/on-base:latest: \d+ blobs sent \(.*\), 1 mounted")
        result = self.dash("build", self.app, "--base", f"docker://{self.meter.address}/none:1", check=False)
        self.assertEqual(result.returncode, 9)
        self.assertIn("has no image", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
