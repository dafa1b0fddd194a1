"""One store for many builds at once: killed at any moment, with gc and df between them, below a quota."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time
import unittest

from package_index import PackageIndex, wheel
from support import PROGRAM, SHARED_STORE, Case, decisions, pinned_uv

KILLS = int(os.environ.get("DASH_E2E_SHARED_KILLS", "30"))
AT_ONCE = 3
MIB = 1 << 20


def disk_bytes(directory):
    """What a tree takes, as du counts it; what vanishes meanwhile is not there."""
    total, seen = 0, set()
    for path, directories, files in os.walk(directory):
        for name in [*files, *directories, "."]:
            try:
                info = os.lstat(os.path.join(path, name))
            except OSError:
                continue
            if (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                total += info.st_blocks * 512
    return total


class SharedStoreTest(Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(20261129)
        self.index = self.enter(PackageIndex(*[
            wheel("tiny", f"1.{i}", files={"tiny_data.txt": self.random.randbytes(40_000).hex()}) for i in range(20)
        ], wheel("pip", "1.0")))
        self.env = {"PIP_INDEX_URL": self.index.url, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "",
                    "DASH_BUILD_UV": pinned_uv()}
        # The base image of the shared store, and nothing else.
        self.build(self.app(0, 0))
        self.store = self.scratch / "store"
        blobs = self.store / "layout/blobs/sha256"
        blobs.mkdir(parents=True)
        (self.store / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.store / "layout/index.json").write_text('{"schemaVersion": 2, "manifests": []}')
        (self.store / "records/steps").mkdir(parents=True)
        for file in (SHARED_STORE / "records/steps").iterdir():
            record = json.loads(file.read_text())
            if record["step"] != "base":
                continue
            shutil.copy(file, self.store / "records/steps")
            for layer in record["layers"]:
                name = layer["digest"].removeprefix("sha256:")
                shutil.copy(SHARED_STORE / "layout/blobs/sha256" / name, blobs)

    def build(self, app, *words, **options):
        return super().build(app, *words, env=self.env, **options)

    def app(self, number, version):
        """One of some apps, in a new state."""
        app = self.make_app({
            "requirements.txt": f"tiny==1.{version}\n",
            "Procfile": "web: true\n",
            "app.json": '{"scripts": {"dokku": {"predeploy": "head -c 300000 /dev/urandom >/app/made"}}}' if number == 0 else "{}",
        }, to=f"app{number}")
        (app / "data").write_bytes(self.random.randbytes(MIB))
        return app

    def usage(self):
        return json.loads(self.dash("df", "--json", store=self.store).stdout)

    def start(self, number, quota):
        app = self.app(number, self.random.randrange(20))
        return subprocess.Popen(
            [PROGRAM, "build", app, "-t", f"shared/app{number}", "--progress", "quiet", "--threads", "1"],
            env={**os.environ, **self.env, "DASH_BUILD_HOME": str(self.store), "DASH_BUILD_QUOTA": str(quota)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )

    def assert_sound(self):
        """Every record is whole and has its layers, every unpacked layer is finished, and nothing is left over."""
        self.assertEqual(self.dash("validate", store=self.store).stdout, "valid\n")
        blobs = self.store / "layout/blobs/sha256"
        for kind in ("steps", "layers"):
            for file in (self.store / "records" / kind).iterdir():
                self.assertRegex(file.name, r"^[0-9a-f]{64}\.json$")
                for layer in json.loads(file.read_text())["layers"]:
                    self.assertTrue((blobs / layer["digest"].removeprefix("sha256:")).exists(), file)
        named = set()
        for entry in json.loads((self.store / "layout/index.json").read_text())["manifests"]:
            manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
            named |= {entry["digest"], manifest["config"]["digest"], *[layer["digest"] for layer in manifest["layers"]]}
        orphans = [file for file in blobs.iterdir() if f"sha256:{file.name}" not in named]
        for place in ("work", "packages", "packages/pyc", "snapshots", "layout", "records/steps", "records/layers"):
            orphans += [file for file in (self.store / place).glob("*")
                        if "tmp-" in file.name or ".lease-" in file.name or file.suffix == ".partial"]
        wasted = sum(file.stat().st_blocks * 512 if file.is_file() else disk_bytes(file) for file in orphans)
        self.assertLess(wasted, disk_bytes(self.store) / 100, orphans)

    def test_builds_that_are_killed(self):
        started = time.monotonic()
        super().build(self.app(0, 0), store=self.store, env=self.env)
        duration = time.monotonic() - started
        # Room for what the base image unpacks to, which every build that executes something needs, and little more.
        quota = disk_bytes(self.store) + 40 * MIB
        most, done = [0], threading.Event()

        def watch():
            while not done.is_set():
                most[0] = max(most[0], disk_bytes(self.store))
                time.sleep(0.3)  # a walk takes a core for as long

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            killed = finished = 0
            while killed < KILLS:
                processes = [self.start(number, quota) for number in range(AT_ONCE)]
                for process in processes:
                    time.sleep(self.random.uniform(0, 1.2 * duration / AT_ONCE))
                    process.kill()
                    error = process.communicate()[1]
                    self.assertIn(process.returncode, (0, -9), error)
                    killed += process.returncode == -9
                    finished += process.returncode == 0
                action = self.random.choice(("df", "gc", "nothing"))
                if action == "gc":
                    self.dash("gc", store=self.store)
                    self.assert_sound()
                elif action == "df":
                    usage = self.usage()
                    self.assertEqual(usage["bytes"], sum(kind["bytes"] for kind in usage["kinds"]))
        finally:
            done.set()
            watcher.join()
        print(f"{killed} killed, {finished} finished, at most {most[0] / quota:.0%} of the quota")
        self.assertLessEqual(most[0], quota)
        self.assertEqual(self.usage()["bytes"], disk_bytes(self.store))

        app = self.app(1, 3)
        first = self.build(app, store=self.store)
        self.dash("gc", store=self.store)
        self.assert_sound()
        again = self.build(app, store=self.store)
        self.assertEqual(again["image.digest"], first["image.digest"])
        self.assertNotIn("build", decisions(again).values())

    def test_a_running_build_keeps_what_it_uses(self):
        """Builds one after the other with a quota that is too small for what two of them leave."""
        self.build(self.app(0, 0), store=self.store)
        self.dash("gc", store=self.store)
        used = self.usage()["bytes"]
        quota = {"DASH_BUILD_QUOTA": str(used + 30 * MIB)}
        for version in range(8):
            app = self.app(1, version)
            self.dash("build", app, "-t", "shared/app", "--progress", "quiet", store=self.store, env={**self.env, **quota})
            usage = self.usage()
            self.assertLessEqual(usage["bytes"], used + 30 * MIB)
            self.assertEqual(usage["images"], 2)
        self.assertEqual(self.dash("validate", store=self.store).stdout, "valid\n")
        table = self.dash("df", "--quota", "1G", store=self.store).stdout
        self.assertRegex(table, r"(?m)^layers of images +\d+ +[\d.]+ MB +0 B$")
        self.assertRegex(table, r"(?m)^quota +1\.1 GB$")

        too_small = self.dash("build", self.app(2, 9), "-t", self.tag, "--quota", "10M", store=self.store, env=self.env, check=False)
        self.assertEqual(too_small.returncode, 7, too_small.stderr)
        self.assertRegex(too_small.stderr, r"error: the store \S+ has a quota of 10\.5 MB, of which images and running "
                         r"builds use [\d.]+ MB, but it needs about [\d.]+ MB\n  in step \S+\nhint: set a larger quota")
        self.assertEqual(self.usage()["images"], 2)
        self.assertEqual(self.dash("validate", store=self.store).stdout, "valid\n")
        self.dash("gc", "--keep-bytes", "1", "--older-than", "0", store=self.store)
        kinds = {kind["kind"]: kind for kind in self.usage()["kinds"]}
        self.assertEqual([kinds[name]["count"] for name in ("other layers", "unpacked layers", "packages")], [0, 0, 0])
        self.assertEqual(self.dash("validate", store=self.store).stdout, "valid\n")
        for words, message in ((["gc", "--older-than", "soon"], "--older-than 'soon' is no time"),
                               (["gc", "--keep-bytes", "all"], "--keep-bytes 'all' is no size"),
                               (["df", "--quota", "big"], "--quota 'big' is no size")):
            refused = self.dash(*words, store=self.store, check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn(message, refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
