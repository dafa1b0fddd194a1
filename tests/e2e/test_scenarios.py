"""What a build does, runs and sends after each kind of change: one table, printed at the end."""
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import threading
import time
import unittest

from debian import make_deb
from package_index import PackageIndex, noisy_wheel
from registries import CONFIG, MANIFEST, Layout, Meter, RegistryServer, need_program
from support import PROGRAM, SHARED_STORE, Case, decisions, layers, pinned_uv, run

KIB = 1024
SIZES = {"heavy": 900 * KIB, "frames": 400 * KIB, "tiny": 10 * KIB}
SOURCE = 256 * KIB  # more than the source of the app of this test and all documents of an image
UNCHANGED = "nothing it depends on changed"
ABOVE_APP = {"app", "predeploy"}


class Scenarios(Case):
    def setUp(self):
        super().setUp()
        self.prefix = f"s{time.time_ns():x}"
        files = [noisy_wheel(self.name(key), version, size) for key, size in SIZES.items() for version in ("1.0", "1.1")]
        self.index = self.enter(PackageIndex(*files, noisy_wheel("pip", "1.0", KIB)))
        self.rows = []
        self.commands = self.scratch / "commands"
        self.environment = {
            "PIP_INDEX_URL": self.index.url, "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "", "PIP_EXTRA_INDEX_URL": "",
            "DASH_BUILD_UV": pinned_uv(), "PATH": f"{self.counting_runtime()}:{os.environ['PATH']}",
        }
        registry = RegistryServer(need_program("docker-registry"), self.scratch / "registry")
        self.addCleanup(registry.stop)
        self.meter = Meter(registry.port)
        self.image = f"{self.meter.address}/team/app"
        self.debs = self.scratch / "debs"
        self.archive = self.package_source()
        self.app = self.make_app({
            "requirements.txt": self.requirements(), "Procfile": "web: python -m http.server\n", "app.py": "first\n",
            "apt-sources-list": f"deb [trusted=yes] {self.archive}/ ./\n", "apt-packages": self.name("tool") + "\n",
            "app.json": self.predeploy("1"),
        }, "app")
        (self.app / "dpkg-packages").mkdir()
        self.put_deb("1.0")

    def name(self, key):
        return f"{self.prefix}{key}"

    def counting_runtime(self):
        """A directory with a crun that writes a line for each container."""
        directory = self.scratch / "bin"
        directory.mkdir()
        script = directory / "crun"
        script.write_text(f'#!/bin/sh\ncase "$*" in *" run "*) echo run >>{self.commands} ;; esac\nexec {need_program("crun")} "$@"\n')
        script.chmod(0o755)
        return directory

    def package_source(self):
        """A flat archive of two packages."""
        self.debs.mkdir()
        for key in ("tool", "other"):
            make_deb(self.debs, self.name(key))
        listed = run("apt-ftparchive", "packages", ".", cwd=self.debs).stdout if shutil.which("apt-ftparchive") else \
            run("dpkg-scanpackages", "--multiversion", ".", cwd=self.debs).stdout
        (self.debs / "Packages").write_text(listed)
        return self.serve(self.debs)

    def put_deb(self, version):
        deb = make_deb(self.scratch, self.name("own"), version)
        shutil.move(deb, self.app / "dpkg-packages/own.deb")

    def predeploy(self, text):
        return json.dumps({"scripts": {"dokku": {"predeploy": f"echo {text} > made"}}})

    def requirements(self, without=(), **versions):
        return "".join(f"{self.name(key)}=={versions.get(key, '1.0')}\n" for key in SIZES if key not in without)

    def write(self, path, text):
        (self.app / path).write_text(text)

    def base(self, name, files):
        """A layout with the default base image and a layer more, {path: (mode, bytes)}."""
        store = SHARED_STORE / "layout"
        read = lambda blob: json.loads((store / "blobs/sha256" / blob["digest"][7:]).read_bytes())
        entry = next(entry for entry in json.loads((store / "index.json").read_text())["manifests"]
                     if entry["annotations"]["org.opencontainers.image.ref.name"] == "dash-build/base:bookworm")
        manifest = read(entry)
        config = read(manifest["config"])
        # Compressed as in the last build; another test may have left the base image in another form.
        image = read({"digest": self.last["image.digest"]})
        count = len(layers(self.last, "base"))
        manifest["layers"] = [{key: layer[key] for key in ("mediaType", "digest", "size")} for layer in image["layers"][:count]]
        config["rootfs"]["diff_ids"] = read(image["config"])["rootfs"]["diff_ids"][:count]
        layout = Layout(self.scratch / name)
        for layer in manifest["layers"]:
            os.link(store / "blobs/sha256" / layer["digest"][7:], layout.blobs / layer["digest"][7:])
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for path, (mode, content) in files.items():
                info = tarfile.TarInfo(path)
                info.mode, info.size = mode, len(content)
                archive.addfile(info, io.BytesIO(content))
        layer = layout.add(tar.getvalue(), "application/vnd.oci.image.layer.v1.tar")
        config["rootfs"]["diff_ids"].append(layer["digest"])
        manifest["layers"].append(layer)
        manifest["config"] = layout.add_json(config, CONFIG)
        layout.tag(layout.add_json(manifest, MANIFEST), "latest")
        return ["--base", f"oci:{layout.directory}:latest"]

    def interpreter(self):
        layer = next(step for step in self.last["layers"] if step["step"] == "base")["digest"]
        blob = SHARED_STORE / "layout/blobs/sha256" / layer[7:]
        plain = subprocess.run(f"zstd -dcq {blob} | tar -xO ./usr/bin/python3.11 2>/dev/null || "
                               f"zstd -dcq {blob} | tar -xO usr/bin/python3.11", shell=True, check=True, capture_output=True)
        return plain.stdout

    def make(self, *words, app=None, push=None, store=SHARED_STORE, env=None, tag=None):
        metadata = self.scratch / f"metadata-{time.monotonic_ns()}.json"
        process = subprocess.Popen(
            [str(word) for word in (PROGRAM, "build", app or self.app, "-t", tag or self.tag, "--progress", "quiet",
                                    "--metadata-file", metadata, "--push", push or self.image, *words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "DASH_BUILD_HOME": str(store), **self.environment, **(env or {})})
        with process.stderr as stream:
            error = stream.read()
        # Ended, but not waited for: what all its threads have read, without the commands that it ran.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        usage = pathlib.Path(f"/proc/{process.pid}/io").read_text()
        self.assertEqual(process.wait(), 0, error)
        return {**json.loads(metadata.read_text()), "bytes read": int(re.search(r"rchar: (\d+)", usage)[1])}

    def begin(self):
        self.commands.write_text("")
        self.fetched = self.served()
        self.meter.clear()
        self.start = time.monotonic()

    def served(self):
        """Bytes that the package index and the source of system packages sent so far."""
        return self.index.bytes_sent + self.bytes_served

    def row(self, name, made, steps, commands, uploaded, reason, manifests=None, known=frozenset(), read=SOURCE):
        """Checks a build against the expectation, and keeps the row for the table.

        Steps of `known` may be reused: the store may have their results from another test.
        """
        step, text = reason
        ran, count, sent, said = self.keep(name, [made], step)
        with self.subTest(name):
            self.assertEqual(ran - known, steps - known)
            self.assertIn(count, commands)
            self.assertLessEqual(sent, uploaded)
            self.assertIn(text, said)
            if manifests is not None:
                self.assertLessEqual(self.meter.count("GET", "HEAD"), manifests)
            if not steps:  # records and what changed of the source, but no layer
                self.assertLess(made["bytes read"], read)
                self.assertEqual(self.served() - self.fetched, 0)
        self.last = made

    def keep(self, name, builds, step):
        """Adds a row; returns the steps that ran, how many commands ran, how many bytes were sent, and the reason of `step`."""
        seconds = time.monotonic() - self.start
        ran = set().union(*({step for step, decision in decisions(one).items() if decision not in ("reuse", "skip")}
                            for one in builds))
        count = len(self.commands.read_text().split())
        sent = self.meter.uploaded()
        said = next(one["reason"] for one in builds[0]["steps"] if one["name"] == step)
        self.rows.append((name, ", ".join(sorted(ran)) or "none", count, self.served() - self.fetched,
                          sum(one["bytes read"] for one in builds), sent, seconds, f"{step}: {said}".replace(self.prefix, "")))
        return ran, count, sent, said

    def change(self, name, edit, *words, **expected):
        edit()
        self.begin()
        self.row(name, self.make(*words), **expected)

    def print_table(self):
        """Bytes in: from the package index and the source of system packages. Bytes read: by the program, of files and pipes."""
        widths = (46, 62, 8, 9, 10, 9, 6)
        titles = ("after this", "steps run", "commands", "bytes in", "bytes read", "bytes up", "s")
        print("\n" + " | ".join(text.ljust(width) for text, width in zip(titles, widths)) + " | reason")
        for name, steps, commands, fetched, read, sent, seconds, reason in self.rows:
            print(f"{name:46} | {steps:62} | {commands:8} | {fetched:9} | {read:10} | {sent:9} | {seconds:6.2f} | {reason}")

    def test_table(self):
        self.addCleanup(self.print_table)
        self.start = time.monotonic()
        first = self.make()

        self.begin()
        self.row("nothing", self.make(), set(), {0}, 0, ("python-packages", UNCHANGED), manifests=1)
        self.assertEqual(self.last["image.digest"], first["image.digest"])

        def touch():
            for file in self.app.rglob("*"):
                os.utime(file)
        self.change("touched (mtimes only)", touch, steps=set(), commands={0}, uploaded=0, reason=("app", UNCHANGED), manifests=1)
        self.change("one source file", lambda: self.write("app.py", "second\n"),
                    steps=ABOVE_APP, commands={1}, uploaded=SOURCE, reason=("app", "source changed"))
        self.change("a comment in requirements.txt", lambda: self.write("requirements.txt", "# why\n" + self.requirements()),
                    steps=ABOVE_APP, commands={1}, uploaded=SOURCE, reason=("python-packages", UNCHANGED))
        self.change("one pinned version", lambda: self.write("requirements.txt", self.requirements(frames="1.1")),
                    steps=ABOVE_APP | {"python-packages"}, commands={3}, uploaded=SIZES["frames"] + 256 * KIB,
                    reason=("python-packages", f"{self.name('frames')}==1.0 → {self.name('frames')}==1.1"))
        self.change("a package removed", lambda: self.write("requirements.txt", self.requirements(["tiny"], frames="1.1")),
                    steps=ABOVE_APP | {"python-packages"}, commands={2}, uploaded=256 * KIB,
                    reason=("python-packages", self.name("tiny")))
        # New layers below the interpreter: it is asked again what it is.
        self.change("apt-packages", lambda: self.write("apt-packages", f"{self.name('tool')}\n{self.name('other')}\n"),
                    steps=ABOVE_APP | {"system-packages"}, commands={3}, uploaded=SOURCE,
                    reason=("system-packages", "apt-packages changed"))
        self.change("a .deb", lambda: self.put_deb("1.1"), steps=ABOVE_APP | {"system-packages"}, commands={3}, uploaded=SOURCE,
                    reason=("system-packages", "dpkg-packages/own.deb changed"))
        self.change("predeploy", lambda: self.write("app.json", self.predeploy("2")), steps=ABOVE_APP, commands={1},
                    uploaded=SOURCE, reason=("predeploy", "predeploy changed"))
        self.change("Procfile only", lambda: self.write("Procfile", "web: python -m http.server 5000\n"), steps=ABOVE_APP,
                    commands={1}, uploaded=SOURCE, reason=("app", "source changed"))

        other = self.base("base", {"etc/motd": (0o644, f"another base for {self.prefix}\n".encode())})
        self.change("the base image", lambda: None, *other,
                    steps={"base", "launcher", "system-packages", "predeploy"}, commands={3}, uploaded=SOURCE,
                    reason=("base", "manifest is new"))
        python = self.base("python", {
            "etc/motd": (0o644, f"another Python for {self.prefix}\n".encode()),
            "usr/local/bin/python3": (0o755, self.interpreter()),
        })
        everything = {"base", "launcher", "system-packages", "python-packages", "predeploy"}
        self.change("the interpreter", lambda: None, *python, steps=everything, commands={4}, uploaded=16 << 20,
                    reason=("python-packages", "interpreter changed"))
        self.change("back to the first base image", lambda: None, steps=set(), commands={0}, uploaded=SOURCE,
                    reason=("base", UNCHANGED))
        packed = self.make()
        self.change("compression", lambda: None, "--compression", "gzip:1",
                    steps=everything | ABOVE_APP, commands={3, 4}, uploaded=200 << 20, reason=("python-packages", "compression"),
                    known={"base", "launcher"})
        self.make()

        self.begin()
        self.row("an empty store, the image in the registry", self.make(store=self.scratch / "empty", env={"PATH": ""}),
                 set(), {0}, 0, ("python-packages", f"{UNCHANGED} since {self.image}:latest"), manifests=2,
                 read=SOURCE + os.path.getsize(pinned_uv()))  # a uv of one's own is part of the key
        self.assertEqual(self.last["image.digest"], packed["image.digest"])

        second = self.make_app({"requirements.txt": self.requirements(["tiny"], frames="1.1"), "Procfile": "web: python\n",
                                "app.py": "another\n"}, "second")
        self.begin()
        self.row("a second app with the same packages",
                 self.make(app=second, push=f"{self.meter.address}/team/second", tag=f"{self.tag}-second"),
                 {"app"}, {0, 1}, SOURCE, ("python-packages", UNCHANGED))

        self.write("app.py", "third\n")
        self.write("requirements.txt", self.requirements(["tiny"]))
        self.begin()
        twins = self.at_once(lambda: self.make(), lambda: self.make())
        self.assertEqual(twins[0]["image.digest"], twins[1]["image.digest"])
        self.row_at_once("two builds of one app at once", twins)
        (second / "app.py").write_text("another one\n")
        self.write("app.py", "fourth\n")
        self.begin()
        both = self.at_once(
            lambda: self.make(),
            lambda: self.make(app=second, push=f"{self.meter.address}/team/second", tag=f"{self.tag}-second"))
        self.row_at_once("two apps at once", both)
        # What they left is what one that is alone comes to.
        for made, again in ((twins[1], None), (both[0], self.make("--no-cache"))):
            if again:
                self.assertEqual(made["image.digest"], again["image.digest"])
        self.assertEqual(self.dash("validate").returncode, 0)

    def at_once(self, *builds):
        results = [None] * len(builds)

        def go(number):
            results[number] = builds[number]()
        threads = [threading.Thread(target=go, args=(number,)) for number in range(len(builds))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertNotIn(None, results)
        return results

    def row_at_once(self, name, builds):
        """Which of two does a step that both need is a matter of time; nobody does another one."""
        ran, count, sent, _ = self.keep(name, builds, "app")
        with self.subTest(name):
            self.assertLessEqual(ran, ABOVE_APP | {"python-packages"})
            self.assertLessEqual(count, 2 * 3)
            self.assertLessEqual(sent, 2 * (SIZES["frames"] + 256 * KIB))


if __name__ == "__main__":
    unittest.main(verbosity=2)
