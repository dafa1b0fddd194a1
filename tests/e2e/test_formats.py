"""Images in both compressions, taken by tools that we did not write."""
import json
import pathlib
import unittest

from support import SCRATCH, Case, run

from containerd import Containerd

# Debian's umoci knows gzip only; scripts/test.sh brings a newer one.
UMOCI = SCRATCH / "tools/umoci"


class FormatTest(Case):
    def check(self, compression, media_type):
        layout = self.scratch / "layout"
        archive = self.scratch / "image.tar"
        docker = self.scratch / "docker.tar"
        outputs = ["-o", f"oci:{layout}:latest", "-o", f"oci-archive:{archive}", "-o", f"docker-archive:{docker}:demo:1"]
        metadata = self.build(self.copy_app("sales"), "--compression", compression, *outputs)
        self.assertEqual({layer["mediaType"] for layer in metadata["layers"]}, {media_type})

        inspected = json.loads(run("skopeo", "inspect", "--raw", f"oci:{layout}:latest").stdout)
        self.assertEqual(inspected["config"]["digest"], metadata["image.config.digest"])
        digest = json.loads(run("skopeo", "inspect", f"oci-archive:{archive}:latest").stdout)["Digest"]
        self.assertEqual(digest, metadata["image.digest"])
        run("skopeo", "copy", f"oci-archive:{archive}:latest", f"dir:{self.scratch}/copied")
        self.unpack_with_buildah(f"oci:{layout}:latest")
        with Containerd(self.scratch / "containerd") as containerd:
            self.assertTrue(containerd.import_image(archive))
            self.assertEqual(containerd.import_image(docker).rpartition("/")[2], "demo:1")
        self.check_docker_archive(docker, metadata)
        return layout

    def check_docker_archive(self, docker, metadata):
        """Others read it, and it is a base image that gives the same layers."""
        raw = json.loads(run("skopeo", "inspect", "--raw", f"docker-archive:{docker}:demo:1").stdout)
        self.assertEqual(raw["config"]["digest"], metadata["image.config.digest"])
        self.unpack_with_buildah(f"docker-archive:{docker}:demo:1")
        inspected = json.loads(self.dash("inspect", f"docker-archive:{docker}", "--json").stdout)
        self.assertEqual(inspected["config"]["digest"], metadata["image.config.digest"])
        self.assertEqual(
            [layer["diffId"] for layer in inspected["layers"]], [layer["diffId"] for layer in metadata["layers"]]
        )
        again = self.build(self.copy_app("sales", "again"), "--base", f"docker-archive:{docker}:demo:1")
        self.assertEqual([layer["mediaType"] for layer in again["layers"]][0], "application/vnd.oci.image.layer.v1.tar")

    def unpack_with_buildah(self, image):
        store = self.scratch / "containers"
        buildah = ["buildah", "--root", store / "root", "--runroot", store / "run", "--storage-driver", "overlay"]
        name = run(*buildah, "from", image).stdout.strip()
        try:
            self.assert_complete(pathlib.Path(run(*buildah, "mount", name).stdout.strip()))
        finally:
            run(*buildah, "rm", "-a", check=False)
            run(*buildah, "rmi", "-a", "-f", check=False)

    def unpack_with_umoci(self, layout):
        run(UMOCI, "unpack", "--image", f"{layout}:latest", self.scratch / "bundle")
        self.assert_complete(self.scratch / "bundle/rootfs")

    def assert_complete(self, root):
        self.assertEqual((root / "app/Procfile").read_text(), (self.scratch / "sales/Procfile").read_text())
        self.assertEqual((root / "app").stat().st_uid, 32767)
        self.assertTrue((root / "start").stat().st_mode & 0o111)
        self.assertTrue(list(root.glob("app/.heroku/python/lib/python3*/site-packages/dash/__init__.py")))

    def test_gzip(self):
        self.unpack_with_umoci(self.check("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"))

    def test_zstd(self):
        self.unpack_with_umoci(self.check("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
