"""A package index on loopback, with packages made for one test."""
import base64
import hashlib
import html
import http.server
import io
import random
import tarfile
import threading
import zipfile


def wheel(name, version, requires=(), tag="py3-none-any", python="", files=None):
    """(file name, bytes) of a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Python: {python}\n" if python else ""
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    content = {
        f"{name}.py": f'VERSION = "{version}"\n',
        **(files or {}),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
    return f"{name}-{version}-{tag}.whl", out.getvalue()


def noisy_wheel(name, version, size):
    """One that compresses to little less than its size."""
    noise = "".join(random.Random(name + version).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))
    return wheel(name, version, files={f"{name}_data.txt": noise})


# A build backend without dependencies, so that a project builds without any index.
BACKEND = '''
import base64, hashlib, os, zipfile
NAME, VERSION = {name!r}, {version!r}
def _wheel(directory, editable=False):
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    files = {{f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
             f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}}
    for file in sorted(os.listdir(".")):
        if file.endswith(".py") and file != "backend.py":
            files[file] = open(file).read()
    files[f"{{NAME}}_sources.txt"] = "\\n".join(sorted(os.listdir(".")))
    record = "".join(f"{{path}},sha256={{base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()}},{{len(text.encode())}}\\n" for path, text in files.items())
    files[f"{{info}}/RECORD"] = record + f"{{info}}/RECORD,,\\n"
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
    return name
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory)
def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
'''


def project(name, version="1.0"):
    """{path: content} of a project that needs nothing to be built."""
    return {
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "{version}"\n[build-system]\nrequires = []\n'
        'build-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(name=name, version=version),
        f"{name}.py": f'VERSION = "{version}"\n',
    }


def sdist(name, version="1.0", replaced=None):
    """(file name, bytes) of a source distribution; `replaced` are files with other content, {path: text}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        files = {**project(name, version), "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                 **(replaced or {})}
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", out.getvalue()


class PackageIndex:
    """Serves files at `url`; with `credentials` (user, password) to those only who send them."""

    def __init__(self, *files, hashes=True, credentials=None, pythons=None):
        self.files = dict(files)
        self.requests = []
        self.bytes_sent = 0
        pages = {}
        for file, content in self.files.items():
            digest = f"#sha256={hashlib.sha256(content).hexdigest()}" if hashes else ""
            python = (pythons or {}).get(file, "")
            python = f' data-requires-python="{html.escape(python)}"' if python else ""
            name = file.split("-")[0].replace("_", "-").lower()
            pages.setdefault(name, []).append(f'<a href="../../files/{file}{digest}"{python}>{file}</a>')
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.requests.append(self.path)
                if credentials:
                    wanted = base64.b64encode(":".join(credentials).encode()).decode()
                    if self.headers.get("Authorization") != f"Basic {wanted}":
                        return self.answer(401, b"")
                parts = self.path.partition("?")[0].strip("/").split("/")
                if parts[0] == "simple" and len(parts) == 2 and parts[1] in pages:
                    return self.answer(200, "<br>\n".join(pages[parts[1]]).encode(), "text/html")
                if parts[0] == "files" and parts[-1] in index.files:
                    return self.answer(200, index.files[parts[-1]])
                return self.answer(404, b"")

            def answer(self, code, body, kind="application/octet-stream"):
                self.send_response(code)
                if code == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    index.bytes_sent += len(body)
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/simple/"

    def sha256(self, file):
        return hashlib.sha256(self.files[file]).hexdigest()

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
