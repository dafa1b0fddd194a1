#!/usr/bin/env python3
"""Makes the images that registry.sh moves: registry_images.py DIRECTORY

set/01 … set/06: six images that share layers of 60 and 25 MiB, as images on one base do, each with 12 MiB of its own.
large: one layer of 1 GiB. Content is noise from a seed, so that every machine has the same. What is there already stays.
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
        generator = random.Random(seed)
        digest = hashlib.sha256()
        with open(self.blobs / "part", "wb") as file:
            for _ in range(mib):
                block = generator.randbytes(MIB)
                digest.update(block)
                file.write(block)
        os.rename(self.blobs / "part", self.blobs / digest.hexdigest())
        return {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:" + digest.hexdigest(), "size": mib * MIB}

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
    base = pathlib.Path(sys.argv[1])
    for number in range(1, 7):
        make(base / f"set/{number:02}", [(1, 60), (2 + number % 2, 25), (100 + number, 12)])
    make(base / "large", [(7, 1024)])


main()
