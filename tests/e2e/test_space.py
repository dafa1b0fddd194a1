"""A disk that is too small, or becomes full: exit code 7, a valid store, and the next build works."""
import json
import unittest

from support import SHARED_STORE, Case, run


class SpaceTest(Case):
    def make_disk(self, size, options=""):
        disk = self.scratch / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", disk)
        self.addCleanup(run, "umount", "-l", disk, check=False)
        return disk / "store"

    def make_small_app(self, predeploy="true", **files):
        return self.make_app(
            {
                "requirements.txt": "colorama==0.4.6\n",
                "Procfile": "web: python app.py\n",
                "app.py": "\n",
                "app.json": json.dumps({"predeploy": predeploy}),
                **files,
            }
        )

    def expect_full(self, app, store, expected, *words):
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", *words, store=store, check=False)
        self.assertEqual(result.returncode, 7, result.stderr)
        message = result.stderr[result.stderr.index("error: ") :]
        self.assertRegex(message, expected)
        self.assertIn("hint: free space (or inodes) on that file system; for the store, 'dash-build gc' frees some, and DASH_BUILD_HOME sets another disk\n", message)
        self.assertEqual(self.dash("validate", store=store).stdout, "valid\n")
        self.assertEqual(list((store / "work").iterdir()), [])
        return message

    def test_too_small_for_a_base_image(self):
        store = self.make_disk("100m")
        self.expect_full(
            self.make_small_app(), store,
            rf"^error: {store} has 105 MB left, but it needs about 524 MB\n  in step base\nhint: ",
        )

    def test_too_few_inodes(self):
        store = self.make_disk("2g", ",nr_inodes=500")
        self.expect_full(self.make_small_app(), store, rf"^error: {store} has \d+ inodes left, but it needs about 12000\n  in step base\n")

    def test_becomes_full(self):
        """While a command runs, and while a layer is written; afterwards the same store builds."""
        store = self.make_disk("1g")
        self.build(self.make_small_app(), "-o", f"oci:{self.scratch}/base:latest")
        base = self.base_image()
        app = self.make_small_app("head -c 2G /dev/zero > /app/large", **{"n": "1"})
        words = ("--base", base)
        message = self.expect_full(app, store, r"the disk of .*/work became full while a command ran\n  in step predeploy\n", *words)
        self.assertIn("last output:", message)
        # The change fits beside the rest, its layer does not.
        app = self.make_small_app("head -c 450M /dev/urandom > /app/large")
        self.expect_full(app, store, r"No space left on device\n  in step predeploy\n", *words)
        small = self.make_small_app("echo done > /app/done")
        result = self.dash("build", small, "-t", self.tag, *words, store=store)
        self.assertEqual(self.dash("validate", store=store).stdout, "valid\n")
        self.assertIn("image ", result.stdout)

    def test_an_output_does_not_fit(self):
        disk = self.make_disk("20m").parent
        output = f"docker-archive:{disk}/image.tar"
        result = self.dash("build", self.make_small_app(), "-t", self.tag, "-o", output, check=False)
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertIn(f"No space left on device\n  while writing {output}:{self.tag}:latest\n", result.stderr)
        self.assertEqual(list(disk.iterdir()), [])

    def base_image(self):
        """The default base image, as an archive beside the small disk."""
        archive = self.scratch / "base.tar"
        layout = SHARED_STORE / "layout"
        index = json.loads((layout / "index.json").read_text())
        names = [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]]
        name = next(name for name in names if name.startswith("dash-build/base:"))
        run("skopeo", "copy", "--preserve-digests", f"oci:{layout}:{name}", f"oci-archive:{archive}:base")
        return f"oci-archive:{archive}"


if __name__ == "__main__":
    unittest.main(verbosity=2)
