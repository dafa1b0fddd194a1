"""Base images that are damaged or mean harm: refused or made harmless, with a message that names what is wrong."""
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import unittest

from support import Case, run

FILES = {"requirements.txt": "colorama==0.4.6\n", "Procfile": "web: python -m http.server\n"}


def entry(name, **fields):
    info = tarfile.TarInfo(name)
    content = fields.pop("content", b"")
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_of(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Layout:
    """An OCI image layout with one layer, written by hand so that it can be wrong."""

    def __init__(self, directory, tar, packed=None, diff_id=None):
        self.directory = directory
        (directory / "blobs/sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        packed = gzip.compress(tar, 1) if packed is None else packed
        self.layer = self.put(packed, "application/vnd.oci.image.layer.v1.tar+gzip")
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id or "sha256:" + hashlib.sha256(tar).hexdigest()]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.layer],
        }
        index = {
            "schemaVersion": 2,
            "manifests": [self.put(json.dumps(manifest).encode(), manifest["mediaType"])],
        }
        index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "x"}
        (directory / "index.json").write_text(json.dumps(index))

    def put(self, content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        self.path(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    def path(self, digest):
        return self.directory / "blobs/sha256" / digest.removeprefix("sha256:")


class BadBaseTest(Case):
    def build_on(self, layout, check=False):
        app = self.make_app(FILES)
        return self.dash("build", app, "-t", self.tag, "--base", f"oci:{layout.directory}:x", check=check, timeout=120)

    def assert_refused(self, layout, code, *parts):
        self.assert_failed(self.build_on(layout), code, *parts)
        self.assertEqual(self.dash("validate").stdout, "valid\n")

    def layout(self, *entries, **options):
        return Layout(self.scratch / "base", tar_of(*entries), **options)

    def test_parent_directory_in_a_name(self):
        layout = self.layout(entry("../../escaped", content=b"x"))
        self.assert_refused(layout, 6, layout.layer["digest"], "../../escaped", "hint: ")
        self.assertFalse((self.scratch.parent / "escaped").exists())

    def test_link_that_leads_out(self):
        """A link in the base to a directory of the host, and a file below it: it stays in the root file system."""
        victim = self.scratch / "victim"
        victim.mkdir()
        layout = self.layout(
            entry("link", type=tarfile.SYMTYPE, linkname=str(victim)), entry("link/planted", content=b"x")
        )
        self.build_on(layout)
        self.assertEqual(os.listdir(victim), [])

    def test_hard_link_that_leads_out(self):
        secret = self.scratch / "secret"
        secret.write_text("secret")
        layout = self.layout(entry("stolen", type=tarfile.LNKTYPE, linkname="../" * 12 + str(secret)[1:]))
        self.assert_refused(layout, 6, "stolen", "hint: ")
        self.assertEqual(os.stat(secret).st_nlink, 1)

    def test_device(self):
        """A device of the base is only a name in the sandbox: it gives no access to what it stands for."""
        tree = self.scratch / "tree"
        tree.mkdir()
        os.mknod(tree / "memory", 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero, always readable
        self.build(self.make_app(FILES, "first"))  # makes the default base
        base = f"oci:{self.scratch}/with-device:x"
        self.dash("layer", tree, "--base", "dash-build/base:bookworm", "-o", base)
        script = '{"predeploy": "test -f /memory && test ! -s /memory"}'
        app = self.make_app({**FILES, "app.json": script}, "second")
        self.dash("build", app, "-t", self.tag, "--base", base)

    def test_decompression_bomb(self):
        layout = self.layout(entry("x", content=b"x"), packed=gzip.compress(bytes(1 << 20), 9) * 40_000)
        self.assert_refused(layout, 6, layout.layer["digest"], "hint: ")
        # what was unpacked of it is gone
        self.assertLess(int(run("du", "-sm", self.scratch).stdout.split()[0]), 1000)

    def test_wrong_digest(self):
        layout = self.layout(entry("x", content=os.urandom(1000)))
        path = layout.path(layout.layer["digest"])
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        self.assert_refused(layout, 6, layout.layer["digest"], "hint: ")

    def test_truncated_layer(self):
        layout = self.layout(entry("x", content=os.urandom(100_000)))
        path = layout.path(layout.layer["digest"])
        path.write_bytes(path.read_bytes()[:50_000])
        self.assert_refused(layout, 6, path.name, "cut short: 50000 of", "hint: ")

    def test_truncated_before_it_was_hashed(self):
        """The digests fit, but the compressed data ends too early."""
        tar = tar_of(entry("x", content=os.urandom(100_000)))
        layout = Layout(self.scratch / "base", tar, packed=gzip.compress(tar)[:50_000])
        self.assert_refused(layout, 6, layout.layer["digest"], "hint: ")

    def test_wrong_diff_id(self):
        layout = self.layout(entry("x", content=b"x"), diff_id="sha256:" + "0" * 64)
        self.assert_refused(layout, 6, layout.layer["digest"], "diff id", "hint: ")

    def test_missing_blob(self):
        layout = self.layout(entry("x", content=os.urandom(1000)))
        layout.path(layout.layer["digest"]).unlink()
        self.assert_refused(layout, 9, layout.layer["digest"], "hint: ")

    def test_no_interpreter(self):
        layout = self.layout(entry("etc/passwd", content=b"root:x:0:0:root:/root:/bin/sh\n"))
        self.assert_refused(layout, 3, "the base image", "hint: ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
