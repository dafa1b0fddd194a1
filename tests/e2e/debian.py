"""Debian packages and a signed package archive on loopback, made for tests."""
import base64
import functools
import gzip
import hashlib
import http.server
import os
import subprocess
import threading
from email.utils import formatdate


def make_deb(directory, name, version="1.0", files=None, scripts=None, **fields):
    """Makes a package in `directory`; returns its path. `scripts` are the files beside `control`."""
    root = directory / f"{name}-{version}.root"
    (root / "DEBIAN").mkdir(parents=True)
    control = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "Test <test@test.example>"}
    control.update({key.replace("_", "-"): value for key, value in fields.items()})
    control["Description"] = f"{name} of a test"
    text = "".join(f"{key}: {value}\n" for key, value in control.items())
    (root / "DEBIAN/control").write_text(text)
    for script, content in (scripts or {}).items():
        (root / "DEBIAN" / script).write_text(content)
        (root / "DEBIAN" / script).chmod(0o644 if script == "templates" else 0o755)
    for path, content in (files or {f"usr/share/{name}": version + "\n"}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    deb = directory / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, deb], check=True, capture_output=True)
    return deb


class Archive:
    """A signed flat archive served at `url` until the with-block ends. Everything below /private/ wants a password."""

    USER, PASSWORD = "deploy", "s3cr3t@dp"

    def __init__(self, directory):
        self.directory = directory
        self.home = directory / "gnupg"
        self.home.mkdir(parents=True, mode=0o700)

    def gpg(self, *words):
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--yes", "--passphrase", "", *words],
            check=True,
            capture_output=True,
        ).stdout

    def publish(self, name, debs):
        """Puts the packages into the archive /NAME/ (suite "./"), signed."""
        if not (self.directory / "key.asc").exists():
            self.gpg("--quick-generate-key", "Test archive", "rsa2048", "sign", "0")
            (self.directory / "key.asc").write_bytes(self.gpg("--armor", "--export"))
        place = self.directory / name
        place.mkdir(parents=True)
        stanzas = []
        for deb in debs:
            (place / deb.name).write_bytes(deb.read_bytes())
            control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
            digest = hashlib.sha256(deb.read_bytes()).hexdigest()
            place_of = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
            stanzas.append(control + place_of)
        plain = "\n".join(stanzas).encode()
        release = f"Suite: test\nCodename: test\nDate: {formatdate(usegmt=True)}\nSHA256:\n"
        for index, content in (("Packages", plain), ("Packages.gz", gzip.compress(plain, mtime=0))):
            (place / index).write_bytes(content)
            release += f" {hashlib.sha256(content).hexdigest()} {len(content)} {index}\n"
        (place / "Release").write_text(release)
        (place / "InRelease").write_bytes(self.gpg("--clearsign", "--output", "-", place / "Release"))

    def __enter__(self):
        wanted = "Basic " + base64.b64encode(f"{self.USER}:{self.PASSWORD}".encode()).decode()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if self.path.startswith("/private/") and self.headers["Authorization"] != wanted:
                    self.send_error(401)
                else:
                    super().do_GET()

            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=os.fspath(self.directory))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True)
