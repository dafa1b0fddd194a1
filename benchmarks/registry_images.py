#!/usr/bin/env python3
"""Makes the images that registry.sh and mirror.sh move: registry_images.py push|mirror|changed DIRECTORY

push: set/01 … set/06, which share layers of 60 and 25 MiB, as images on one base do, each with 12 MiB of its own; large, with
one layer of 1 GiB. mirror: 01 … 20 with one layer of 60 MiB for all, one of 150 MiB for each five, and 70 MiB of their own:
2 GiB in all. changed: 01 of these with another 70 MiB. Content is noise from a seed, so that every machine has the same. What is there already stays.
"""
import hashlib
import json
import os
import pathlib
import random
import sys

OCI = "application/vnd.oci.image."
MIB = 1 << 20


class Layout:
    def __init__(self, directory):
        self.directory = directory
        self.blobs = directory / "blobs/sha256"
        self.blobs.mkdir(parents=True)

    def add_noise(self, seed, mib):
        pool = self.directory.parent / ".layers" / f"{seed}-{mib}"
        if not pool.exists():
            pool.parent.mkdir(exist_ok=True)
            self.make_noise(pool, seed, mib)
        digest = os.readlink(pool)
        if not (self.blobs / digest).exists():
            os.link(pool.parent / digest, self.blobs / digest)
        return {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:" + digest, "size": mib * MIB}

    def make_noise(self, pool, seed, mib):
        """The layer in a file named by its digest, and a link to it named by what it was made of."""
        generator = random.Random(seed)
        digest = hashlib.sha256()
        with open(pool.parent / "part", "wb") as file:
            for _ in range(mib):
                block = generator.randbytes(MIB)
                digest.update(block)
                file.write(block)
        os.rename(pool.parent / "part", pool.parent / digest.hexdigest())
        pool.symlink_to(digest.hexdigest())

    def add_json(self, value, kind):
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": OCI + kind + ".v1+json", "digest": "sha256:" + digest, "size": len(data)}

    def finish(self, layers):
        rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
        config = self.add_json({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}, "config")
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": layers}
        entry = {**self.add_json(manifest, "manifest"), "annotations": {"org.opencontainers.image.ref.name": "1"}}
        (self.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')  # last: it says that all is there


def make(directory, layers):
    if not (directory / "oci-layout").exists():
        layout = Layout(directory)
        layout.finish([layout.add_noise(seed, mib) for seed, mib in layers])


def main():
    kind, base = sys.argv[1], pathlib.Path(sys.argv[2])
    if kind in ("mirror", "changed"):
        for number in range(1, 21 if kind == "mirror" else 2):
            own = (100 if kind == "mirror" else 200) + number
            make(base / f"{number:02}", [(1, 60), (2 + number % 4, 150), (own, 70)])
        return
    for number in range(1, 7):
        make(base / f"set/{number:02}", [(1, 60), (2 + number % 2, 25), (100 + number, 12)])
    make(base / "large", [(7, 1024)])


main()
