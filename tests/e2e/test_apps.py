"""Both test apps as images that run: served by containerd, complete by pip's own judgement."""
import json
import re
import unittest

from support import SHARED_STORE, Case

from containerd import Containerd

LOCK_PACKAGE = re.compile(r'^\[\[packages\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)

# Every file that a distribution's RECORD names with a hash is there and has it.
CHECK_RECORDS = """
import base64, hashlib, importlib.metadata, pathlib, sys
bad, good = [], 0
for distribution in importlib.metadata.distributions():
    for file in distribution.files:
        path = pathlib.Path(distribution.locate_file(file))
        if not path.is_file():
            bad.append(str(file))
        elif file.hash:
            value = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, path.read_bytes()).digest())
            good += 1
            if value.rstrip(b"=").decode() != file.hash.value:
                bad.append(str(file))
print(good, bad)
sys.exit(bool(bad) or good < 100)
"""
FIND_FLASK = """
import importlib.metadata as metadata
print([entry.value for entry in metadata.entry_points(group="console_scripts", name="flask")])
"""


class AppTest(Case):
    def serve(self, app, port):
        archive = self.scratch / "image.tar"
        metadata = self.build(self.copy_app(app), "-o", f"oci-archive:{archive}:latest")
        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(archive), app, port)
        return metadata, containerd, containerd.page(app, port)

    def check_packages(self, metadata, containerd, app):
        self.assertEqual(containerd.user_of(app), (32767, 32767))

        def python(*words, **options):
            return containerd.exec(app, "/exec", "python", *words, **options)

        self.assertIn("No broken requirements found", python("-m", "pip", "check").stdout)
        listed = json.loads(python("-m", "pip", "list", "--format", "json").stdout)
        installed = {re.sub(r"[-_.]+", "-", entry["name"]).lower(): entry["version"] for entry in listed}
        self.assertEqual(installed, self.locked(metadata))
        self.assertRegex(python("-c", CHECK_RECORDS).stdout, r"^\d+ \[\]")

    def locked(self, metadata):
        """Names and versions of the lock that the record of the image's python-packages step keeps."""
        wanted = [layer["digest"] for layer in metadata["layers"] if layer["step"] == "python-packages"]
        for file in (SHARED_STORE / "records/steps").iterdir():
            record = json.loads(file.read_text())
            if record["step"] == "python-packages" and [x["digest"] for x in record["layers"]] == wanted:
                found = dict(LOCK_PACKAGE.findall(record["facts"]["lock"]))
                self.assertGreater(len(found), 3)
                return found
        self.fail("no record has this image's python packages")

    def test_sales(self):
        metadata, containerd, page = self.serve("sales", 8061)
        self.assertIn("<title>", page)
        self.assertIn("props", json.loads(containerd.page("sales", 8061, "/_dash-layout")))
        self.check_packages(metadata, containerd, "sales")
        self.assertRegex(containerd.exec("sales", "/exec", "gunicorn", "--version").stdout, r"gunicorn \(version \d+")
        self.assertIn("flask.cli:main", containerd.exec("sales", "/exec", "python", "-c", FIND_FLASK).stdout)

    def test_inventory(self):
        metadata, containerd, page = self.serve("inventory", 8062)
        self.assertIn("<title>", page)
        self.check_packages(metadata, containerd, "inventory")
        # Written by predeploy, outside of /app.
        self.assertTrue(containerd.exec("inventory", "cat", "/etc/inventory.ini").stdout.strip())
        # The toolchain that compiled the source distribution stayed out.
        gcc = containerd.exec("inventory", "/exec", "sh", "-c", "command -v gcc", check=False)
        self.assertNotEqual(gcc.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
