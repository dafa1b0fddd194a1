"""`mirror sync` between two real registries, looked at with skopeo."""
import http.client
import json
import os
import time
import unittest

from registries import EMPTY, INDEX, MANIFEST, Layout, RegistryServer, add_image, need_program
from support import Case, run

SUMMARY = "{} images: {} already there, {} copied, {} failed\n"


class MirrorTest(Case):
    def setUp(self):
        super().setUp()
        self.source, self.target = (self.serve(name) for name in ("source", "target"))
        self.shared = os.urandom(200_000)

    def serve(self, name):
        server = RegistryServer("docker-registry", self.scratch / name)
        self.addCleanup(server.stop)
        return server.address

    def make_image(self, content):
        """A layout with an image of two layers: one that all of them share, one of its own."""
        layout = self.scratch / f"layout-{time.monotonic_ns()}"
        for name, data in (("shared", self.shared), ("own", content.encode())):
            directory = self.scratch / name
            directory.mkdir(exist_ok=True)
            (directory / "file").write_bytes(data)
            base = ["--base", f"oci:{layout}:latest"] if name == "own" else []
            self.dash("layer", directory, *base, "--prefix", f"/{name}", "-o", f"oci:{layout}:latest")
        return layout

    def push(self, name, content):
        run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{self.make_image(content)}:latest", f"docker://{self.source}/{name}")

    def push_index(self, name, architectures):
        """An index of images that differ in their platform."""
        entries = []
        for architecture in architectures:
            self.push(f"{name}-{architecture}", architecture)
            repository = name.split(":")[0]
            raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{self.source}/{name}-{architecture}").stdout
            digest = run("skopeo", "inspect", "--format", "{{.Digest}}", "--tls-verify=false", f"docker://{self.source}/{name}-{architecture}").stdout.strip()
            entries.append(
                {
                    "mediaType": MANIFEST,
                    "digest": digest,
                    "size": len(raw),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        self.put_index(self.source, repository, name.split(":")[1], {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        return {entry["platform"]["architecture"]: entry["digest"] for entry in entries}

    def put_index(self, address, repository, tag, index):
        connection = http.client.HTTPConnection(address)
        connection.request("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(index), {"Content-Type": INDEX})
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()

    def write(self, text, head=""):
        file = self.scratch / "mirror.toml"
        file.write_text(f'{head}destination = "{self.target}/all/{{repository}}"\n' + text.replace("SRC", self.source))
        return file

    def sync(self, file, *words, code=0):
        result = self.dash("mirror", "sync", file, "--progress", "plain", *words, store=self.scratch / "home", check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def tags(self, repository):
        return json.loads(run("skopeo", "list-tags", "--tls-verify=false", f"docker://{self.target}/{repository}").stdout)["Tags"]

    def raw(self, registry, name):
        return run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/{name}").stdout

    def assert_same(self, name):
        self.assertEqual(self.raw(self.source, name), self.raw(self.target, "all/" + name))

    def pull(self, name):
        """skopeo takes the whole image, and checks every digest on its way."""
        run("skopeo", "copy", "--src-tls-verify=false", f"docker://{self.target}/{name}", f"dir:{self.scratch}/pulled")

    def test_cold_again_changed_and_pruned(self):
        for tag in ("1.0", "1.1", "2.0", "latest"):
            self.push(f"team/app:{tag}", tag)
        self.push("other:5", "other")
        file = self.write('[[image]]\nsource = "SRC/team/app"\n[[image]]\nsource = "SRC/other:5"\n')

        would = self.sync(file, "--dry-run")
        self.assertIn(f"would copy {self.source}/team/app:1.0 to {self.target}/all/team/app:1.0\n", would.stdout)
        self.assertIn("5 images: 0 already there, 5 to be copied, 0 failed\n", would.stdout)
        self.assertNotEqual(
            run("skopeo", "list-tags", "--tls-verify=false", f"docker://{self.target}/all/other", check=False).returncode, 0
        )

        cold = self.sync(file)
        self.assertIn(SUMMARY.format(5, 0, 5, 0), cold.stdout)
        # The layer that all share is sent once and mounted into the other repository.
        self.assertRegex(cold.stdout, r"11 blobs sent \(\d+\.?\d* kB\), 1 mounted, 3 already there\n")
        for name in ("team/app:1.0", "team/app:latest", "other:5"):
            self.assert_same(name)
        self.pull("all/team/app:1.1")

        again = self.sync(file)
        self.assertEqual(again.stdout, SUMMARY.format(5, 5, 0, 0))
        self.assertIn("[copy] reuse: all 5 images are there\n", again.stderr)

        self.push("team/app:latest", "newer")
        changed = json.loads(self.sync(file, "--json").stdout)
        self.assertEqual(changed["totals"]["copied"], 1)
        row = next(image for image in changed["images"] if image["outcome"] == "copied")
        self.assertEqual(row["destination"], f"{self.target}/all/team/app:latest")
        self.assertRegex(row["replaced"], "^sha256:")
        self.assertEqual(row["blobs"], {"sent": 2, "mounted": 0, "there": 1})
        self.assert_same("team/app:latest")

        file = self.write('[[image]]\nsource = "SRC/team/app"\ntags = ["semver:1.x", "latest"]\n')
        self.assertEqual(len(self.tags("all/team/app")), 4)
        self.assertIn(f"would remove {self.target}/all/team/app:2.0\n", self.sync(file, "--prune", "--dry-run").stdout)
        self.assertEqual(len(self.tags("all/team/app")), 4)
        # This registry deletes by digest only.
        self.assertIn(f"removed {self.target}/all/team/app:2.0\n", self.sync(file, "--prune").stdout)
        self.assertEqual(sorted(self.tags("all/team/app")), ["1.0", "1.1", "latest"])
        self.assertEqual(self.tags("all/other"), ["5"])
        self.pull("all/team/app:1.0")
        self.assertNotIn("removed", self.sync(file, "--prune").stdout)

    def test_a_tag_is_removed_without_the_others_of_its_manifest(self):
        self.push("app:1.0", "one")
        self.push("app:keep", "one")
        self.sync(self.write('[[image]]\nsource = "SRC/app"\n'))
        file = self.write('[[image]]\nsource = "SRC/app:keep"\n', head="prune = true\n")
        self.assertIn("app:1.0\n", self.sync(file).stdout)
        self.assertEqual(self.tags("all/app"), ["keep"])
        self.pull("all/app:keep")
        self.dash("delete", f"{self.source}/app:1.0")
        self.assertEqual(self.dash("tags", f"{self.source}/app").stdout, "keep\n")
        self.raw(self.source, "app:keep")
        self.assertEqual(self.dash("delete", f"{self.source}/app:1.0", check=False).returncode, 9)

    def test_platforms(self):
        digests = self.push_index("multi:1", ["amd64", "arm64", "s390x"])
        self.sync(self.write('[[image]]\nsource = "SRC/multi:1"\n'))
        self.assert_same("multi:1")

        file = self.write('[[image]]\nsource = "SRC/multi:1"\nplatforms = ["linux/amd64", "linux/arm64"]\n')
        self.sync(file)
        made = json.loads(self.raw(self.target, "all/multi:1"))
        self.assertEqual([entry["digest"] for entry in made["manifests"]], [digests["amd64"], digests["arm64"]])
        run(
            "skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{self.target}/all/multi:1",
            f"oci:{self.scratch}/pulled:latest",
        )  # fmt: skip
        self.assertEqual(self.sync(file).stdout, "1 image: 1 already there, 0 copied, 0 failed\n")

        self.sync(self.write('[[image]]\nsource = "SRC/multi:1"\nplatforms = ["linux/arm64"]\n'))
        digest = run("skopeo", "inspect", "--format", "{{.Digest}}", "--tls-verify=false", f"docker://{self.target}/all/multi:1")
        self.assertEqual(digest.stdout.strip(), digests["arm64"])

    def test_referrers(self):
        """Debian's registry and distribution v3, both without the referrers API: the list in a tag stands in for it."""
        other = RegistryServer(need_program("registry"), self.scratch / "distribution")
        self.addCleanup(other.stop)
        layout = Layout(self.scratch / "layout")
        subject = layout.tag(add_image(layout, 1), "1")
        empty = layout.add(b"{}", EMPTY)
        about = []
        for kind in "signature", "sbom":
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": f"application/vnd.example.{kind}", "config": empty,
                        "layers": [layout.add(kind.encode(), "text/plain")], "subject": subject}
            about.append(layout.tag(layout.add_json(manifest, MANIFEST), kind)["digest"])
        self.dash("push", f"oci:{layout.directory}:1", f"{self.source}/app:1")
        for kind, digest in zip(("signature", "sbom"), about):
            self.dash("copy", f"oci:{layout.directory}:{kind}", f"docker://{self.source}/app@{digest}")

        def listed(address):
            tag = "sha256-" + subject["digest"][7:]
            return [entry["digest"] for entry in json.loads(self.raw(address, f"app:{tag}"))["manifests"]]

        self.assertEqual(sorted(listed(self.source)), sorted(about))
        for source, target in (self.source, other.address), (other.address, self.target):
            file = self.scratch / "referrers.toml"
            file.write_text(f'destination = "{target}/app"\n[[image]]\nsource = "{source}/app:1"\nreferrers = true\n')
            self.assertIn(SUMMARY.format(3, 0, 3, 0), self.sync(file).stdout)
            self.assertEqual(sorted(listed(target)), sorted(about))
            for digest in about:
                run("skopeo", "copy", "--src-tls-verify=false", f"docker://{target}/app@{digest}", f"dir:{self.scratch}/referrer")
            self.assertEqual(self.sync(file).stdout, SUMMARY.format(3, 3, 0, 0))
            # As if the first run had been killed after it stored a referrer and before it listed it.
            index = json.loads(self.raw(target, "app:sha256-" + subject["digest"][7:]))
            index["manifests"].pop()
            self.put_index(target, "app", "sha256-" + subject["digest"][7:], index)
            self.assertIn("3 images: 2 already there, 1 copied, 0 failed\n", self.sync(file).stdout)
            self.assertEqual(sorted(listed(target)), sorted(about))

    def test_failures_are_reported_and_the_rest_is_done(self):
        self.push("app:1", "one")
        self.push("victim:1", "victim")
        # A blob that only the second image has is lost at the source.
        layer = json.loads(self.raw(self.source, "victim:1"))["layers"][1]["digest"].split(":")[1]
        data = self.scratch / "source/data/docker/registry/v2/blobs/sha256" / layer[:2] / layer / "data"
        data.unlink()
        file = self.write(
            '[[image]]\nsource = "SRC/absent:1"\n[[image]]\nsource = "SRC/victim"\n[[image]]\nsource = "SRC/app"\n'
            '[[image]]\nsource = "SRC/app"\ntags = ["9.*"]\n',
            head="prune = true\n",
        )
        result = self.sync(file, code=11)
        self.assertIn(SUMMARY.format(3, 0, 1, 2), result.stdout)
        self.assert_same("app:1")
        self.assertIn(
            f"error: {self.source}/absent:1: {self.source}/absent has no 1\n"
            f"hint: 'dash-build tags {self.source}/absent' lists what is there\n",
            result.stderr,
        )
        self.assertIn(f"error: {self.source}/victim:1: ", result.stderr)
        self.assertIn(f"warning: {file}:9:1: no tag of {self.source}/app matches\n", result.stderr)
        self.assertIn(f"warning: {self.target}/all/victim is left as it is: {self.source}/victim:1 failed\n", result.stderr)
        self.assertNotEqual(
            run("skopeo", "list-tags", "--tls-verify=false", f"docker://{self.target}/all/victim", check=False).returncode, 0
        )
        report = json.loads(self.sync(file, "--json", code=11).stdout)
        failed = [image for image in report["images"] if image["outcome"] == "failed"]
        self.assertEqual([image["source"] for image in failed], [f"{self.source}/victim:1", f"{self.source}/absent:1"])
        self.assertEqual(failed[1]["error"]["code"], "not_found")
        self.assertEqual(self.sync(file, "--fail-fast", code=9).stdout, "")


class BrokenFileTest(Case):
    def broken(self, text):
        file = self.scratch / "mirror.toml"
        file.write_text(text)
        result = self.dash("mirror", "sync", file, store=self.scratch / "home", check=False)
        self.assertEqual(result.stdout, "")
        return result.returncode, result.stderr.replace(str(file), "mirror.toml")

    def test_messages(self):
        image = '[[image]]\nsource = "registry.example/app"\n'
        for text, message, hint in (
            (
                "x = [\n",
                "mirror.toml:1:7: Error while parsing array: encountered end-of-file\n",
                'the file is TOML: [[image]] and lines like source = "registry.example/team/app"\n',
            ),
            (
                image + 'tag = ["1"]\n',
                "mirror.toml:3:1: an image has no key 'tag'\n",
                "the keys are destination, exclude, platforms, referrers, source, tags\n",
            ),
            (
                image + 'tags = ["1.*", "semver:>=1.2 <"]\n',
                "mirror.toml:3:16: '>=1.2 <' is no range of versions: a version is missing after '<'\n",
                "ranges look like '>=1.2 <2', '^1.4 || ~2.1', '1.2 - 1.4' or '1.x'\n",
            ),
            (
                image,
                "mirror.toml:1:1: registry.example/app has no destination\n",
                'add destination = "mirror.example:5000/{repository}" to the image, or before the first [[image]] for all\n',
            ),
        ):
            code, message_text = self.broken(text)
            self.assertEqual(code, 3, message_text)
            self.assertEqual(message_text, f"error: {message}hint: {hint}")

    def test_no_file(self):
        result = self.dash("mirror", "sync", self.scratch / "absent.toml", store=self.scratch / "home", check=False)
        self.assertEqual(result.returncode, 9)
        self.assertIn("absent.toml", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
