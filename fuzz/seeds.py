#!/usr/bin/env python3
"""Makes a corpus to start fuzzing from: seeds.py DIRECTORY gives DIRECTORY/<target>/<seed>."""

import bz2
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import zipfile

DIGEST = "sha256:" + "ab" * 32


def tar(entries, fmt=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for name, kind, extra in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind in (tarfile.LNKTYPE, tarfile.SYMTYPE):
                info.linkname = extra
            if isinstance(extra, dict):
                info.pax_headers = extra
            content = extra.encode() if kind == tarfile.REGTYPE and isinstance(extra, str) else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1024


FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
LAYERS = {
    "plain": tar([("a", DIR, None), ("a/f", FILE, "x"), ("a/h", HARD, "a/f"), ("s", LINK, "a"), ("s/g", FILE, "y")]),
    "escape": tar([("../x", FILE, "x"), ("l", LINK, "../../.."), ("l/x", FILE, "x"), ("/abs", FILE, "x")]),
    "whiteouts": tar([("d/.wh.f", FILE, ""), ("d/.wh..wh..opq", FILE, ""), ("d/e", DIR, None), (".wh.d", FILE, "")]),
    "over": tar([("d", FILE, "now a file"), ("d/f", FILE, "x"), ("out", DIR, None), ("out/victim", FILE, "evil")]),
    "xattr": tar([("f", FILE, {"SCHILY.xattr.user.k": "v"}), ("o", DIR, {"SCHILY.xattr.trusted.overlay.opaque": "y"})]),
    "long": tar([("n" * 150 + "/" + "m" * 150, FILE, "x")], tarfile.GNU_FORMAT),
    "nodes": tar([("p", tarfile.FIFOTYPE, None), ("c", tarfile.CHRTYPE, None), ("b", tarfile.BLKTYPE, None)]),
}
LAYERS["gzip"] = gzip.compress(LAYERS["plain"], mtime=0)

DESCRIPTOR = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 7}
DOCUMENTS = {
    "manifest": {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR], "annotations": {"a": "b"}},
    "index": {
        "schemaVersion": 2,
        "manifests": [DESCRIPTOR | {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}],
    },
    "docker": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": DESCRIPTOR | {"mediaType": "application/vnd.docker.container.image.v1+json"},
        "layers": [DESCRIPTOR | {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["x"]}],
    },
    "artifact": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "test/sbom",
        "config": DESCRIPTOR | {"mediaType": "application/vnd.oci.empty.v1+json", "data": "e30="},
        "layers": [DESCRIPTOR],
        "subject": DESCRIPTOR | {"mediaType": "application/vnd.oci.image.manifest.v1+json"},
    },
    "config": {
        "created": "1980-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": "1:2", "Env": ["A=b"], "ExposedPorts": {"5000/tcp": {}}, "Labels": {"k": "v"}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created_by": "x", "empty_layer": True}],
    },
}
REFERENCES = ["app", "team/app:v1", "localhost:5000/a/b@" + DIGEST, "registry.example/x:t@" + DIGEST, "oci:dir:tag",
              "oci-archive:/a/b.tar"]

INFO = "demo-1.0.dist-info/"
WHEEL = {
    INFO + "METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: six >= 1 ; extra == 'x'\n",
    INFO + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
    INFO + "RECORD": 'demo/__init__.py,,\n"a,b",sha256=AA,1\n' + INFO + "RECORD,,\n",
    INFO + "entry_points.txt": "[console_scripts]\nrun = demo:main [x]\npip = a.b:c.d\n[gui_scripts]\ng = demo:g\n",
    "demo/__init__.py": "x = 1\n",
    "demo-1.0.data/scripts/s.py": "#!python\nx\n",
    "demo-1.0.data/data/lib64/d": "",
    "demo-1.0.data/headers/h.h": "h",
    "demo-1.0.data/purelib/demo/__init__.py": "again",
}


def wheel(limit=zipfile.ZIP64_LIMIT):
    out = io.BytesIO()
    keep, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, limit
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in WHEEL.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    zipfile.ZIP64_LIMIT = keep
    return out.getvalue()


CONTENT = "\x1e".join(list(WHEEL.values())[:4] + [part for item in list(WHEEL.items())[4:] for part in item])
FILE_OF_LOCK = '{ url = "https://index.example/a-1-py3-none-any.whl", size = 3, hashes = { sha256 = "%s" } }' % ("ab" * 32)
PYLOCK = f"""lock-version = "1.0"
[[packages]]
name = "a"
version = "1"
wheels = [{FILE_OF_LOCK}]
sdist = {FILE_OF_LOCK}
[[packages]]
name = "b"
archive = {{ path = "../b-1.tar.gz", hashes = {{ sha256 = "{"ab" * 32}" }}, subdirectory = "s" }}
[[packages]]
name = "c"
directory = {{ path = "c", editable = true }}
[[packages]]
name = "d"
vcs = {{ type = "git", url = "https://u:p@git.example/r", requested-revision = "v1", commit-id = "abc" }}
"""
ANSWERS = [
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull,push"',
    'Basic realm="a \\"quoted\\" one", Bearer realm="https://auth.example/token", error="insufficient_scope"',
    "Negotiate, Basic realm=plain",
    '</v2/team/app/tags/list?n=100&last=v1.2>; rel="next"',
    '<https://registry.example/v2/_catalog?last=x>; rel=prev, <?last=y>; title="a, b"; rel="next"',
    '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}},{"code":"DENIED"}]}',
    '{"errors":null,"details":"of a proxy"}',
    "120",
    "Fri, 31 Dec 2027 23:59:59 GMT",
    "c2FtOm9wZW4gc2VzYW1l",
    "https://user:pw@registry.example:5000/v2/a/blobs/uploads/1?_state=x#f",
    "http://[::1]:5000/v2/../x",
]
REGISTRY_FILES = [
    """server = "https://registry.example"
ca = "/dev/null"
[host."https://mirror.example/cache"]
capabilities = ["pull", "resolve"]
client = [["/dev/null", "/dev/null"]]
override_path = true
[host."https://mirror.example/cache".header]
x-team = ["a", "b"]
[host."http://[::1]:5000"]
skip_verify = true
""",
    """unqualified-search-registries = ["registry.example"]
short-name-mode = "enforcing"
[[registry]]
prefix = "registry.example/team"
location = "other.example:5000/group"
insecure = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.example/cache"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "*.example"
[[registry]]
location = "registry.example"
blocked = true
[aliases]
"app" = "registry.example/team/app"
""",
]
MIRROR_LISTS = [
    """destination = "mirror.example:5000/p/{repository}"
prune = true
platforms = ["linux/amd64", "linux/arm64/v8"]
[[image]]
source = "registry.example/team/app"
tags = ["1.*", "/^v[0-9]+$/", "semver:>=1.2 <2 || ^3.1", "latest"]
exclude = ["*-rc*"]
referrers = true
""",
    f"""[[image]]
source = "docker://registry.example:5000/tools/x@{DIGEST}"
destination = "{{registry}}/{{name}}:{{tag}}-x"
[[image]]
source = "app:1"
destination = "mirror.example/all/{{registry}}/{{name}}"
""",
]
_LAYER = LAYERS["plain"]
_CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(_LAYER).hexdigest()] * 2},
    }
)


def docker_archive(layer, link):
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": [layer, link]}])
    return tar([("manifest.json", FILE, manifest), ("c.json", FILE, _CONFIG), (layer, FILE, _LAYER.decode()),
                (link, LINK, "../" + layer)])


DOCKER_ARCHIVES = {"saved": docker_archive("1/layer.tar", "2/layer.tar"), "empty": tar([("manifest.json", FILE, "[]")])}

BLOB = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 2, "repositories": ["r.example/a"]}
IMAGE = {"name": "r.example/a:1", "mediaType": BLOB["mediaType"], "digest": DIGEST, "size": 2}
BUNDLES = {
    "bundle": {"bundleVersion": 1, "images": [IMAGE], "documents": [BLOB], "blobs": [], "required": {"images": [], "blobs": []}},
    "inventory": {"inventoryVersion": 1, "images": [IMAGE], "blobs": [BLOB]},
}


CONDA_INDEX = {"name": "demo", "version": "1.0", "build": "0", "noarch": "python", "depends": ["python >=3.7", "c::d"]}
CONDA_PATHS = {
    "paths": [
        {"_path": "bin/x", "path_type": "hardlink", "prefix_placeholder": "/old", "file_mode": "binary", "sha256": "ab" * 32},
        {"_path": "site-packages/a.py", "path_type": "hardlink", "size_in_bytes": 1, "no_link": True},
        {"_path": "l", "path_type": "softlink"},
        {"_path": "d", "path_type": "directory"},
    ],
    "paths_version": 1,
}
CONDA_LINK = {"noarch": {"type": "python", "entry_points": ["run = a.b:c"]}}
CONDA_FILES = [("bin/x", FILE, "/old/lib\0"), ("site-packages/a.py", FILE, "1"), ("l", LINK, "bin/x"), ("d", DIR, None)]
CONDA_TAR = tar(
    [("info/index.json", FILE, json.dumps(CONDA_INDEX)), ("info/paths.json", FILE, json.dumps(CONDA_PATHS))]
    + [("info/link.json", FILE, json.dumps(CONDA_LINK))] + CONDA_FILES
)
CONDA_OLD_TAR = tar(
    [("info/index.json", FILE, json.dumps(CONDA_INDEX | {"noarch": True})), ("info/files", FILE, "bin/x\nl\n")]
    + [("info/has_prefix", FILE, "/old binary bin/x\n"), ("h", HARD, "info/files")] + CONDA_FILES
)
CONDA_LINES = [
    "numpy=1.16\nnumpy>=1.11, <2 # x\nconda-forge::a[version='>1']\n# platform: osx-64\nb 1.0 py_0\nc=1=pypi_0\nd~=1.2\n",
    "https://c.example/linux-64/a-b-1-0.conda#" + "ab" * 16 + "\n/x/b-1-0.tar.bz2#sha256:" + "ab" * 32 + "\n",
]


COMMENTS = b"#!/bin/sh\n# NAME:  M\n# VER:   4\n# PLAT:  linux-64\n# MD5:   " + b"0" * 32 + b"\n"
CONDA_OLD_INSTALLER = COMMENTS + b"# BYTES:          121\n# LINES: 8\n@@END_HEADER@@\npayload"
CONDA_NEW_INSTALLER = COMMENTS + b"boundary1=$(( boundary0 + 3 ))\nboundary2=$(( boundary1 + 4 ))\n@@END_HEADER@@\npayload"


def conda():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("metadata.json", "pkg-demo-1.0-0.tar.zst", "info-demo-1.0-0.tar.zst"):
            content = b'{"conda_pkg_format_version": 2}' if name == "metadata.json" else CONDA_TAR
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def main():
    base = pathlib.Path(sys.argv[1])
    seeds = {
        "extract_layer_fuzz": LAYERS,
        "documents_fuzz": {name: json.dumps(value).encode() for name, value in DOCUMENTS.items()},
        "wheel_zip_fuzz": {"wheel": wheel(), "zip64": wheel(5)},
        "wheel_content_fuzz": {"wheel": CONTENT.encode()},
        "conda_archive_fuzz": {"tar": CONDA_TAR, "old": CONDA_OLD_TAR, "bz2": bz2.compress(CONDA_TAR), "conda": conda()},
        "conda_paths_fuzz": {"paths": json.dumps(CONDA_PATHS).encode(), "prefix": b"/old binary bin/x\n\"/o d\" text \"a b\"\n"},
        "conda_installer_fuzz": {"old": CONDA_OLD_INSTALLER, "new": CONDA_NEW_INSTALLER},
        "conda_lines_fuzz": {str(i): text.encode() for i, text in enumerate(CONDA_LINES)},
        "pylock_fuzz": {"lock": PYLOCK.encode()},
        "docker_archive_fuzz": DOCKER_ARCHIVES,
        "bundle_fuzz": {name: json.dumps(value).encode() for name, value in BUNDLES.items()},
        "registry_answers_fuzz": {str(i): text.encode() for i, text in enumerate(ANSWERS)},
        "registry_files_fuzz": {str(i): text.encode() for i, text in enumerate(REGISTRY_FILES)},
        "mirror_list_fuzz": {str(i): text.encode() for i, text in enumerate(MIRROR_LISTS)},
        "reference_fuzz": {str(i): text.encode() for i, text in enumerate(REFERENCES)},
    }
    for target, files in seeds.items():
        (base / target).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (base / target / name).write_bytes(content)


main()
