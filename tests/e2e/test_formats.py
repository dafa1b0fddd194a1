"""Images in both compressions, taken by tools that we did not write."""
import json
import pathlib
import unittest

from support import Case, run

from containerd import Containerd


class FormatTest(Case):
    def check(self, compression, media_type):
        layout = self.scratch / "layout"
        archive = self.scratch / "image.tar"
        outputs = ["-o", f"oci:{layout}:latest", "-o", f"oci-archive:{archive}"]
        metadata = self.build(self.copy_app("sales"), "--compression", compression, *outputs)
        self.assertEqual({layer["mediaType"] for layer in metadata["layers"]}, {media_type})

        inspected = json.loads(run("skopeo", "inspect", "--raw", f"oci:{layout}:latest").stdout)
        self.assertEqual(inspected["config"]["digest"], metadata["image.config.digest"])
        digest = json.loads(run("skopeo", "inspect", f"oci-archive:{archive}:latest").stdout)["Digest"]
        self.assertEqual(digest, metadata["image.digest"])
        run("skopeo", "copy", f"oci-archive:{archive}:latest", f"dir:{self.scratch}/copied")
        self.unpack_with_buildah(layout)
        with Containerd(self.scratch / "containerd") as containerd:
            self.assertTrue(containerd.import_image(archive))
        return layout, metadata

    def unpack_with_buildah(self, layout):
        store = self.scratch / "containers"
        buildah = ["buildah", "--root", store / "root", "--runroot", store / "run", "--storage-driver", "vfs"]
        name = run(*buildah, "from", f"oci:{layout}:latest").stdout.strip()
        try:
            self.assert_complete(pathlib.Path(run(*buildah, "mount", name).stdout.strip()))
        finally:
            run(*buildah, "rm", "-a", check=False)
            run(*buildah, "rmi", "-a", "-f", check=False)

    def unpack_with_umoci(self, layout):
        run("umoci", "unpack", "--image", f"{layout}:latest", self.scratch / "bundle")
        self.assert_complete(self.scratch / "bundle/rootfs")

    def assert_complete(self, root):
        self.assertEqual((root / "app/Procfile").read_text(), (self.scratch / "sales/Procfile").read_text())
        self.assertEqual((root / "app").stat().st_uid, 32767)
        self.assertTrue((root / "start").stat().st_mode & 0o111)
        self.assertTrue(list(root.glob("app/.heroku/python/lib/python3*/site-packages/dash/__init__.py")))

    def test_gzip(self):
        layout, _ = self.check("gzip", "application/vnd.oci.image.layer.v1.tar+gzip")
        self.unpack_with_umoci(layout)

    def test_zstd(self):
        layout, metadata = self.check("zstd", "application/vnd.oci.image.layer.v1.tar+zstd")
        # Debian 12's umoci (0.4.7) knows gzip only. It unpacks the same layers after skopeo has decompressed them,
        # which also shows that the diff ids are right.
        plain = self.scratch / "plain"
        run("skopeo", "copy", "--dest-decompress", f"oci:{layout}:latest", f"oci:{plain}:latest")
        self.unpack_with_umoci(plain)
        config = json.loads(run("skopeo", "inspect", "--config", "--raw", f"oci:{plain}:latest").stdout)
        self.assertEqual(config["rootfs"]["diff_ids"], [layer["diffId"] for layer in metadata["layers"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
