"""Bundles: sets of images out of one registry and into another, as files, parts, deltas and streams, with interruptions."""
import json
import os
import random
import subprocess
import time
import unittest
import urllib.error

from registries import CONFIG, MANIFEST, OCI, Layout, RegistryServer, TcpProxy, layer_tar, make_large_layout, sha256
from support import PROGRAM, Case, run

MIB = 1 << 20
IMAGES = 20
PEAK = 64 * 1024  # KiB


def measured(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
    """Runs the program; its peak of resident memory in KiB."""
    process = subprocess.Popen([PROGRAM, *map(str, words)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 0, error
    return usage.ru_maxrss


class BundleTest(Case):
    def setUp(self):
        super().setUp()
        self.file = self.scratch / "bundle.tar"

    def registry(self, name, program="docker-registry"):
        server = RegistryServer(program, self.scratch / name)
        self.addCleanup(server.stop)
        return server

    def image(self, layout, tag, layers):
        """Layers by seed and size; equal ones are the same blob."""
        blobs = []
        for seed, size in layers:
            tar = layer_tar(seed, size)
            blobs.append(layout.add(tar, OCI + "layer.v1.tar"))
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"tag": tag}},
                  "rootfs": {"type": "layers", "diff_ids": [blob["digest"] for blob in blobs]}}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layout.add_json(config, CONFIG), "layers": blobs}
        return layout.tag(layout.add_json(manifest, MANIFEST), tag)["digest"]

    def fill(self, server, changed=()):
        """Twenty images of a common base and four runtimes; `changed` ones have another top. Returns {repository: digest}."""
        layout = Layout(self.scratch / f"set-{time.monotonic_ns()}")
        out = {}
        for i in range(IMAGES):
            top = 1000 + i if i in changed else 100 + i
            name = f"team/app{i:02}"
            out[name] = self.image(layout, f"app{i:02}", [(1, 2 * MIB), (10 + i % 4, MIB), (top, 200_000 + 512 * i)])
            self.dash("copy", f"oci:{layout.directory}:app{i:02}", f"docker://{server.address}/{name}:1.0", "--progress", "quiet")
        return out

    def write_list(self, server):
        path = self.scratch / "mirror.toml"
        path.write_text("".join(f'[[image]]\nsource = "{server.address}/team/app{i:02}"\ntags = ["1.*"]\n' for i in range(IMAGES)))
        return path

    def assert_complete(self, server, images, prefix=""):
        for name, digest in images.items():
            body = server.get(f"{prefix}{name}/manifests/1.0", MANIFEST)
            self.assertEqual(sha256(body), digest)
            server.contents(prefix + name, "1.0")

    def kill_after(self, seconds, *words, stdin=subprocess.DEVNULL):
        process = subprocess.Popen([PROGRAM, *map(str, words)], stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def assert_no_broken_tag(self, server):
        time.sleep(0.5)  # the registry ends what it was asked last
        for repository in self.repositories(server):
            try:
                tags = json.loads(server.get(f"{repository}/tags/list"))["tags"] or []
            except urllib.error.HTTPError as answer:
                self.assertEqual(answer.code, 404)  # blobs, but no manifest yet
                tags = []
            for tag in tags:
                server.contents(repository, tag)

    def repositories(self, server):
        return json.loads(server.get("_catalog?n=1000"))["repositories"]

    def test_a_set_and_its_delta(self):
        source, target, empty = self.registry("source"), self.registry("target"), self.registry("empty")
        images = self.fill(source)
        mirror = self.write_list(source)
        result = self.dash("mirror", "export", self.file, "--from", mirror)
        self.assertRegex(result.stdout, rf"^{self.file}\n20 images with 45 blobs, [0-9.]+ MB\n$")
        self.assertEqual(self.dash("mirror", "verify", self.file).stdout, f"{self.file}: 20 images with 45 blobs, complete and right\n")
        # Other programs read it as what it is.
        name = f"{source.address}/team/app03:1.0"
        run("skopeo", "copy", "--insecure-policy", "--preserve-digests", f"oci-archive:{self.file}:{name}", f"oci:{self.scratch}/taken:x")
        index = json.loads((self.scratch / "taken/index.json").read_text())
        self.assertEqual(index["manifests"][0]["digest"], images["team/app03"])

        result = self.dash("mirror", "import", self.file, f"{target.address}/mirror")
        self.assertRegex(result.stdout, r"^20 images imported, 0 already there; 45 blobs sent \([0-9.]+ MB\), 35 mounted\n$")
        self.assert_complete(target, images, "mirror/")
        again = self.dash("mirror", "import", self.file, f"{target.address}/mirror", "--json")
        self.assertEqual(json.loads(again.stdout), {"imported": 0, "present": 20, "unchanged": 0, "uploaded": 0, "mounted": 0,
                                                    "bytesSent": 0, "bytesResumed": 0})

        images = self.fill(source, changed=[7])
        delta = self.scratch / "delta.tar"
        result = self.dash("mirror", "export", delta, "--from", mirror, "--since", self.file, "--json")
        report = json.loads(result.stdout)
        # The layer, and the configuration that names it.
        self.assertEqual((report["images"], report["unchanged"], report["blobs"]), (1, 19, 2))
        self.assertLess(delta.stat().st_size, len(layer_tar(1007, 200_000 + 512 * 7)) + MIB)
        # The registry's own inventory does as well.
        inventory = self.scratch / "inventory.json"
        inventory.write_text(self.dash("mirror", "inventory", f"{target.address}/mirror").stdout)
        other = self.scratch / "other.tar"
        report = json.loads(self.dash("mirror", "export", other, "--from", mirror, "--since", inventory, "--json").stdout)
        self.assertEqual((report["images"], report["unchanged"], report["blobs"]), (1, 19, 2))

        failed = self.dash("mirror", "import", delta, empty.address, check=False)
        self.assertEqual(failed.returncode, 9)
        self.assertIn(f"error: {empty.address} lacks 21 of the 21 things that this bundle leaves out: image {source.address}/team/app00:1.0", failed.stderr)
        self.assertIn("; and 16 more\n", failed.stderr)
        self.assertIn("hint: import the bundle that this one was made against first; nothing was written\n", failed.stderr)
        self.assertEqual(self.repositories(empty), [])
        for file in delta, other:
            self.dash("mirror", "import", file, f"{target.address}/mirror")
            self.assert_complete(target, images, "mirror/")

    def test_bytes_on_the_wire(self):
        """What images share moves once, with little around it, from registry to registry and into a bundle."""
        source, target = self.registry("source"), self.registry("target")
        images = self.fill(source)
        unique = sum(file.stat().st_size for file in (source.data / "docker/registry/v2/blobs").rglob("data"))
        read, written = TcpProxy(source.port), TcpProxy(target.port)
        self.addCleanup(read.close)
        self.addCleanup(written.close)
        mirror = self.scratch / "mirror.toml"
        mirror.write_text(f'destination = "{written.address}/{{repository}}"\n' + "".join(
            f'[[image]]\nsource = "{read.address}/{name}"\n' for name in images))
        self.dash("mirror", "sync", mirror)
        self.assert_complete(target, images)
        self.assertLess(read.bytes["down"], 1.02 * unique)
        self.assertLess(written.bytes["up"], 1.02 * unique)
        read.bytes["down"] = 0
        self.dash("mirror", "export", self.file, "--from", mirror)
        self.assertLess(read.bytes["down"], 1.02 * unique)
        written.bytes["up"] = 0
        self.dash("mirror", "import", self.file, f"{written.address}/again", store=self.scratch / "other")
        self.assertLess(written.bytes["up"], 1.02 * unique)

    def test_parts_and_pipes(self):
        source, target = self.registry("source"), self.registry("target")
        images = self.fill(source)
        mirror = self.write_list(source)
        self.dash("mirror", "export", self.file, "--from", mirror)
        whole = self.file.read_bytes()
        parts = self.scratch / "parts.tar"
        self.dash("mirror", "export", parts, "--from", mirror, "--split", "3M")
        names = sorted(self.scratch.glob("parts.tar.*"))
        self.assertEqual(b"".join(name.read_bytes() for name in names), whole)
        self.assertEqual({name.stat().st_size for name in names[:-1]}, {3 * MIB})
        self.dash("mirror", "import", parts, target.address)
        self.assert_complete(target, images)
        names[1].rename(self.scratch / "aside")
        self.assert_failed(self.dash("mirror", "verify", parts, check=False), 9,
                           f"error: part {names[1]} is missing\nhint: put all parts into one directory\n")

        piped = self.registry("piped")
        pipe = f"'{PROGRAM}' mirror export - --from '{mirror}' | '{PROGRAM}' mirror import - {piped.address}/far --progress quiet"
        result = run("bash", "-o", "pipefail", "-c", pipe)
        self.assertRegex(result.stdout, r"^20 images imported, 0 already there; 45 blobs sent")
        self.assert_complete(piped, images, "far/")

    def test_interrupted(self):
        """Killed at random points: whatever a tag points to is complete, and the next run ends it with the same result."""
        source, target = self.registry("source"), self.registry("target")
        images = self.fill(source)
        mirror = self.write_list(source)
        self.dash("mirror", "export", self.scratch / "reference.tar", "--from", mirror)
        chance = random.Random(5)
        for _ in range(10):
            self.kill_after(chance.uniform(0.02, 0.25), "mirror", "export", self.file, "--from", mirror)
        self.dash("mirror", "export", self.file, "--from", mirror)
        self.assertEqual(self.file.read_bytes(), (self.scratch / "reference.tar").read_bytes())
        self.assertEqual(list(self.scratch.glob("*.part")), [])

        for _ in range(10):
            self.kill_after(chance.uniform(0.02, 0.4), "mirror", "import", self.file, target.address)
            self.assert_no_broken_tag(target)
        self.dash("mirror", "import", self.file, target.address)
        self.assert_complete(target, images)

    def test_interrupted_delta_and_pipe(self):
        """The same for a bundle that leaves out what the destination has, and for one that comes through a pipe."""
        source, target, piped = self.registry("source"), self.registry("target"), self.registry("piped")
        before = self.fill(source)
        mirror = self.write_list(source)
        self.dash("mirror", "export", self.file, "--from", mirror)
        self.dash("mirror", "import", self.file, target.address)
        images = self.fill(source, changed=range(0, IMAGES, 2))
        delta = self.scratch / "delta.tar"
        report = json.loads(self.dash("mirror", "export", delta, "--from", mirror, "--since", self.file, "--json").stdout)
        self.assertEqual((report["images"], report["unchanged"]), (IMAGES / 2, IMAGES / 2))
        chance = random.Random(6)
        for _ in range(5):
            self.kill_after(chance.uniform(0.02, 0.3), "mirror", "import", delta, target.address)
            self.assert_no_broken_tag(target)
            for name, digest in images.items():  # each tag is of before or after
                self.assertIn(sha256(target.get(f"{name}/manifests/1.0", MANIFEST)), (before[name], digest))
        self.dash("mirror", "import", delta, target.address)
        self.assert_complete(target, images)

        for _ in range(5):
            with subprocess.Popen(["cat", self.file], stdout=subprocess.PIPE) as cat:
                self.kill_after(chance.uniform(0.02, 0.4), "mirror", "import", "-", piped.address, stdin=cat.stdout)
                cat.stdout.close()
            self.assert_no_broken_tag(piped)
        with subprocess.Popen(["cat", self.file], stdout=subprocess.PIPE) as cat:
            done = subprocess.run([PROGRAM, "mirror", "import", "-", piped.address, "--json"], stdin=cat.stdout, capture_output=True, check=True)
            cat.stdout.close()
        report = json.loads(done.stdout)
        self.assertEqual(report["imported"] + report["present"], IMAGES)
        self.assert_complete(piped, before)

    def test_memory(self):
        """A blob of 300 MiB needs no more memory than a small one, whichever way it goes."""
        make_large_layout(self.scratch / "large", 300 * MIB)
        image = f"oci:{self.scratch}/large:1"
        source, target = self.registry("source"), self.registry("target")
        address = f"{source.address}/team/large:1"
        peaks = {
            "push": measured("push", image, address, "--progress", "quiet"),
            "copy": measured("copy", f"docker://{address}", f"docker://{target.address}/copy:1", "--progress", "quiet"),
            "pull": measured("pull", address, "--home", self.scratch / "home", "--progress", "quiet"),
            "export": measured("mirror", "export", self.file, "--from", address, "--progress", "quiet"),
            "import": measured("mirror", "import", self.file, f"{target.address}/a", "--progress", "quiet"),
        }
        with open(self.scratch / "stream.tar", "wb") as out:
            peaks["export to a pipe"] = measured("mirror", "export", "-", "--from", address, "--progress", "quiet", stdout=out)
        with open(self.scratch / "stream.tar", "rb") as stream:
            cat = subprocess.Popen(["cat"], stdin=stream, stdout=subprocess.PIPE)
            peaks["import from a pipe"] = measured("mirror", "import", "-", f"{target.address}/b", "--progress", "quiet", stdin=cat.stdout)
            cat.stdout.close()
            cat.wait()
        self.assertEqual({way: peak for way, peak in peaks.items() if peak > PEAK}, {}, peaks)

    def test_what_is_wrong(self):
        source = self.registry("source")
        layout = Layout(self.scratch / "layout")
        digest = self.image(layout, "team/app", [(1, 100_000)])
        image = f"oci:{layout.directory}:team/app"
        fails = lambda code, text, *words: self.assert_failed(self.dash(*words, check=False), code, text)
        export = ["mirror", "export", self.file, "--from", image]
        fails(2, "error: --split 'much' is no size\nhint: write bytes, or a number with K, M, G or T: 650M, 4000M\n", *export, "--split", "much")
        fails(2, "error: --split 10 is less than 1.0 MB\nhint: say what the medium holds: 650M, 4000M\n", *export, "--split", "10")
        fails(2, "error: --split needs a file; standard output is one stream\nhint: pipe it through 'split'\n", "mirror", "export", "-", "--from", image, "--split", "1M")
        fails(9, f"error: there is neither {self.file} nor its first part {self.file}.001\nhint: name the file without the number of a part\n",
              "mirror", "verify", self.file)
        result = self.dash("mirror", "inventory", f"{source.address}/nothing")
        self.assertEqual(json.loads(result.stdout)["images"], [])
        self.assertEqual(result.stderr, f"[inventory] warning: there is no image below {source.address}/nothing: 'export --since' this inventory leaves nothing out\n")
        self.dash(*export)
        bytes_ = bytearray(self.file.read_bytes())
        at = bytes_.index(layer_tar(1, 100_000)[:600]) + 300
        bytes_[at] ^= 1
        self.file.write_bytes(bytes_)
        layer = sha256(layer_tar(1, 100_000))
        result = self.dash("mirror", "verify", self.file, "--progress", "quiet", check=False)
        self.assertEqual(result.returncode, 6)
        self.assertRegex(result.stderr, rf"^error: {self.file} is damaged: {layer} in {self.file} does not match its digest: expected {layer}, found sha256:[0-9a-f]{{64}}\nhint: copy the bundle again, or export it anew\n$")
        result = self.dash("mirror", "import", self.file, source.address, check=False)
        self.assertEqual(result.returncode, 6)
        self.assertIn(f"{layer} in {self.file} does not match its digest", result.stderr)
        with self.assertRaises(urllib.error.HTTPError):  # what was right may be there, but no tag
            source.get("team/app/manifests/latest", MANIFEST)
        fails(2, "error: 'name' names no registry\nhint: a registry has a dot or a port in its name: REGISTRY[:PORT][/PREFIX]\n", "mirror", "import", self.file, "name")
        self.assertEqual(digest, json.loads((layout.directory / "index.json").read_text())["manifests"][0]["digest"])

    def test_full_disk(self):
        layout = Layout(self.scratch / "layout")
        self.image(layout, "team/app", [(1, 3 * MIB)])
        disk = self.scratch / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=1m", "none", disk)
        self.addCleanup(run, "umount", disk)
        result = self.dash("mirror", "export", disk / "b.tar", "--from", f"oci:{layout.directory}:team/app", check=False)
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertRegex(result.stderr, r"^error: cannot reserve 3\.\d MB for .*/b\.tar\.part: No space left on device\nhint: ")


if __name__ == "__main__":
    unittest.main()
