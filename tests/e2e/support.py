"""Shared by the end-to-end tests: the program under test, stores, apps, and what other tools make of images.

Environment: DASH_BUILD (the program), DASH_E2E_DIR (where tests write; default /var/tmp/dash-e2e).
"""
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
PROGRAM = os.environ.get("DASH_BUILD", str(ROOT / "build/release/bin/dash-build"))
APPS = ROOT / "testdata/apps"
SCRATCH = pathlib.Path(os.environ.get("DASH_E2E_DIR", "/var/tmp/dash-e2e"))
# For tests that do not need an empty store: the base image is bootstrapped once.
SHARED_STORE = SCRATCH / "store"


def run(*words, check=True, env=None, timeout=900, **options):
    result = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        timeout=timeout,
        **options,
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{words} failed with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result


@functools.cache
def pinned_uv():
    """The uv that the program would fetch, for tests whose package index does not have it."""
    version = re.search(r'kUvVersion = "(.+)"', (ROOT / "builder/python/uv_release.hpp").read_text())[1]
    target = SCRATCH / f"uv-{version}"
    if not (target / "bin/uv").exists():
        run("python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, f"uv=={version}")
    return str(target / "bin/uv")


# Where an error of the command line has no hint of its own.
USAGE_HINT = "hint: 'dash-build COMMAND --help' shows what the command takes\n"


class Case(unittest.TestCase):
    """A test with a scratch directory, and the program."""

    maxDiff = None
    bytes_served = 0

    def setUp(self):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        # Plain words: buildah makes an image name of the path of a layout.
        self.scratch = SCRATCH / f"case-{os.getpid()}-{time.monotonic_ns()}"
        self.scratch.mkdir()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.bytes_served = 0
        self.tag = "test/" + self.id().split(".")[-1].replace("_", "-").lower()

    def enter(self, manager):
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def dash(self, *words, store=SHARED_STORE, env=None, **options):
        return run(PROGRAM, *words, env={"DASH_BUILD_HOME": str(store), **(env or {})}, **options)

    def build(self, app, *words, **options):
        """Builds an app; returns the parsed metadata file, with the printed progress as "log"."""
        metadata = self.scratch / "metadata.json"
        result = self.dash(
            "build", app, "-t", self.tag, "--progress", "plain", "--metadata-file", metadata, *words, **options
        )
        return {**json.loads(metadata.read_text()), "log": result.stderr}

    def serve(self, directory):
        """Serves the files of a directory on loopback until the test ends; returns the URL. Counts in self.bytes_served."""
        case = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def copyfile(self, source, target):
                case.bytes_served += os.fstat(source.fileno()).st_size if hasattr(source, "fileno") else 0
                super().copyfile(source, target)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=os.fspath(directory))
        )
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def assert_failed(self, result, code, *parts):
        """Checks the exit code and that the message has these parts, in order, and that no image was named."""
        self.assertEqual(result.returncode, code, result.stderr)
        message = result.stderr[result.stderr.index("error: ") :]
        at = 0
        for part in parts:
            self.assertIn(part, message[at:])
            at = message.index(part, at)
        self.assertEqual(self.dash("inspect", self.tag, check=False).returncode, 9)
        return message

    def copy_app(self, name, to=None):
        target = self.scratch / (to or name)
        shutil.copytree(APPS / name, target)
        return target

    def make_app(self, files, to="made"):
        """An app made of {path: content}."""
        for path, content in files.items():
            file = self.scratch / to / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return self.scratch / to


def decisions(metadata):
    return {step["name"]: step["decision"] for step in metadata["steps"]}


def layers(metadata, step):
    return [layer["digest"] for layer in metadata["layers"] if layer["step"] == step]
