"""For tests of the registry commands: registries, TCP proxies and token servers on loopback, images, other programs.

Debian's docker-registry is always there. Distribution v3 and the clients that Debian does not have are looked for in the
directories of $DASH_TOOLS (default: tools/ in the scratch directory, where scripts/go_tools.sh puts them) and in $PATH.
"""
import base64
import crypt
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import random
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings

from support import SCRATCH, run

TOOLS = os.environ.get("DASH_TOOLS", str(SCRATCH / "tools"))
USER, PASSWORD = "sam", "open sesame"

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCUMENTS = (MANIFEST, INDEX, "application/vnd.docker.distribution.manifest.v2+json",
             "application/vnd.docker.distribution.manifest.list.v2+json")


def need_program(name):
    """Its path; without it the test fails."""
    path = shutil.which(name, path=TOOLS + os.pathsep + os.environ["PATH"])
    assert path, f"{name} is not here: scripts/go_tools.sh {TOOLS} {name}"
    return path


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Certificates:
    """A CA, a server's certificate for loopback, and a client's, in `directory`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.crt"
        key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        script = f"openssl req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca\n"
        for name, extra in ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.example,DNS:other.example"), ("client", "extendedKeyUsage=clientAuth"):
            script += f"""openssl req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}
                printf '{extra}' > {name}.ext
                openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -days 2 -extfile {name}.ext
                """
        run("bash", "-ec", script, cwd=self.directory)

    def __getattr__(self, name):  # server_crt, client_key …
        return self.directory / name.replace("_", ".")

    def server_context(self, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_crt, self.server_key)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class RegistryServer:
    """A registry that runs until `stop`. `auth` is that section of its configuration; `deletes` whether it deletes,
    `foreign` whether it takes images with layers from elsewhere."""

    def __init__(self, program, directory, certificates=None, auth=None, clients_ca=None, deletes=True, foreign=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.certificates = certificates
        self.data = self.directory / "data"
        web = {"addr": self.address, "secret": "test"}
        if certificates:
            web["tls"] = {"certificate": str(certificates.server_crt), "key": str(certificates.server_key)}
            if clients_ca:
                web["tls"]["clientcas"] = [str(clients_ca)]
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": deletes},
                        "maintenance": {"uploadpurging": {"enabled": False}}},
            "http": web,
            **({"validation": {"manifests": {"urls": {"allow": ["^https://layers[.]example/"]}}}} if foreign else {}),
            **({"auth": auth} if auth else {}),
        }
        (self.directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        self.program = program
        self.process = None
        self.start()

    def start(self):
        log = open(self.directory / "log", "ab")
        quiet = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
        self.process = subprocess.Popen(
            [self.program, "serve", self.directory / "config.yml"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **quiet},
        )
        log.close()
        wait_for(self.port)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def status(self, path, token):
        """Of the answer to a request with a token, without TLS."""
        request = urllib.request.Request(f"http://{self.address}/v2/{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60).status
        except urllib.error.HTTPError as answer:
            return answer.code

    def get(self, path, accept="*/*"):
        """The body of an answer, asked without any program under test."""
        scheme = "https" if self.certificates else "http"
        request = urllib.request.Request(f"{scheme}://{self.address}/v2/{path}", headers={"Accept": accept})
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        context = ssl.create_default_context(cafile=self.certificates.ca) if self.certificates else None
        with urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
        ).open(request, timeout=60) as answer:
            return answer.read()

    def contents(self, repository, reference):
        """The digests of everything below a tag or digest, each checked."""
        out = set()

        def document(name):
            body = self.get(f"{repository}/manifests/{name}", ", ".join(DOCUMENTS))
            out.add(sha256(body))
            parsed = json.loads(body)
            for child in parsed.get("manifests", []):
                document(child["digest"])
            for blob in [parsed["config"], *parsed["layers"]] if "config" in parsed else []:
                if "nondistributable" not in blob["mediaType"] and "foreign" not in blob["mediaType"]:
                    body = self.get(f"{repository}/blobs/{blob['digest']}")
                    assert sha256(body) == blob["digest"], blob
                    out.add(blob["digest"])

        document(reference)
        return out


def htpasswd(directory):
    """The `auth` section for a registry that lets USER in with PASSWORD."""
    directory.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (directory / "users").write_text(f"{USER}:{crypt.crypt(PASSWORD, '$2b$05$abcdefghijklmnopqrstuu')}\n")
    return {"htpasswd": {"realm": "test", "path": str(directory / "users")}}


class Layout:
    """An OCI image layout, written without any program under test."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.blobs = self.directory / "blobs/sha256"
        self.blobs.mkdir(parents=True)
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.entries = []

    def add(self, data, media_type, **more):
        digest = sha256(data)
        (self.blobs / digest[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def add_json(self, value, media_type, **more):
        return self.add(json.dumps(value).encode(), media_type, **more)

    def tag(self, descriptor, name):
        """Also pushes by tools that know no names in layouts: each image gets a layout of its own."""
        annotated = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}
        self.entries.append(annotated)
        (self.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}))
        return descriptor


def layer_tar(seed, size=100_000):
    """A tar with a file of noise."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(f"noise-{seed}")
        info.size = size
        archive.addfile(info, io.BytesIO(random.Random(seed).randbytes(size)))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def add_image(layout, seed, compress="gzip", architecture="amd64"):
    layers, diff_ids = [], []
    for number in (seed, seed + 1):
        tar = layer_tar(number)
        diff_ids.append(sha256(tar))
        data = gzip.compress(tar, mtime=0) if compress == "gzip" else zstd(tar)
        layers.append(layout.add(data, f"{OCI}layer.v1.tar+{compress}"))
    config = {"architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layout.add_json(config, CONFIG), "layers": layers}
    return layout.add_json(manifest, MANIFEST)


def add_index(layout):
    """Two platforms, gzip and zstd, and the attestation that buildx puts beside an image."""
    amd = add_image(layout, 10)
    arm = add_image(layout, 11, "zstd", "arm64")
    statement = layout.add_json({"_type": "https://in-toto.io/Statement/v0.1"}, "application/vnd.in-toto+json")
    config = layout.add_json({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}, CONFIG)
    attestation = layout.add_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]}, MANIFEST)
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd["digest"]}
    entries = [
        {**amd, "platform": {"os": "linux", "architecture": "amd64"}},
        {**arm, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {**attestation, "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": marks},
    ]
    return layout.add_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)


def add_artifact(layout):
    """No image: its kind is said by artifactType, its configuration is the empty one."""
    empty = layout.add(b"{}", EMPTY)
    chart = layout.add(random.Random(77).randbytes(50_000), "application/vnd.example.chart.v1")
    return layout.add_json(
        {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.chart", "config": empty,
         "layers": [chart], "annotations": {"org.example.key": "välue"}}, MANIFEST)


def add_foreign(layout):
    """An image with a layer that is only to be had from its own place."""
    manifest = json.loads((layout.blobs / add_image(layout, 30)["digest"][7:]).read_text())
    elsewhere = {"mediaType": OCI + "layer.nondistributable.v1.tar+gzip", "digest": sha256(b"elsewhere"), "size": 9,
                 "urls": ["https://layers.example/1"]}
    manifest["layers"].insert(0, elsewhere)
    return layout.add_json(manifest, MANIFEST)


MAKERS = {"image": lambda layout: add_image(layout, 1), "zstd": lambda layout: add_image(layout, 3, "zstd"), "index": add_index,
          "artifact": add_artifact, "foreign": add_foreign}


def make_layouts(directory):
    """One layout per kind of image, each with the tag 1; returns {kind: (directory, digest)}."""
    out = {}
    for kind, make in MAKERS.items():
        layout = Layout(pathlib.Path(directory) / kind)
        out[kind] = layout.directory, layout.tag(make(layout), "1")["digest"]
    return out


def make_large_layout(directory, size):
    """An image with one layer of noise, tag 1; returns the digests of image and layer."""
    layout = Layout(directory)
    generator = random.Random(20261124)
    digest = hashlib.sha256()
    with open(layout.blobs / "part", "wb") as file:
        for _ in range(0, size, 1 << 20):
            block = generator.randbytes(1 << 20)
            digest.update(block)
            file.write(block)
    os.rename(layout.blobs / "part", layout.blobs / digest.hexdigest())
    layer = {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:" + digest.hexdigest(), "size": size}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layout.add_json(config, CONFIG), "layers": [layer]}
    return layout.tag(layout.add_json(manifest, MANIFEST), "1")["digest"], layer["digest"]


class TcpProxy:
    """Passes connections on to a port, counts the bytes, and keeps to a rate (bytes per second in each direction).

    `watch(direction, data, connection)` sees everything that passes ("up": to the server); `connection` is a dictionary
    that lives as long as the connection.
    """

    BLOCK = 256 << 10

    def __init__(self, port, rate=None, watch=None):
        self.target = port
        self.rate = rate
        self.watch = watch
        self.bytes = {"up": 0, "down": 0}
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            state = {}
            for source, sink, direction in (client, server, "up"), (server, client, "down"):
                threading.Thread(target=self.relay, args=(source, sink, direction, state), daemon=True).start()

    def relay(self, source, sink, direction, state):
        buffer = memoryview(bytearray(self.BLOCK))
        begun, passed = time.monotonic(), 0
        try:
            while count := source.recv_into(buffer):
                data = buffer[:count]
                with self.lock:
                    self.bytes[direction] += count
                if self.watch:
                    self.watch(direction, data, state)
                sink.sendall(data)
                passed += count
                if self.rate and (early := begun + passed / self.rate - time.monotonic()) > 0:
                    time.sleep(early)
        except OSError:
            pass
        for one in source, sink:  # the other direction's thread ends, too
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if direction == "down":
            source.close()
            sink.close()

    def close(self):
        self.listener.close()


class Meter:
    """A way to a registry that keeps what passes: requests, and bytes in both directions."""

    def __init__(self, port):
        self.requests = []
        self.proxy = TcpProxy(port, watch=self.see)
        self.address = self.proxy.address

    def see(self, direction, data, _):
        if direction == "up":
            self.requests += re.findall(rb"^(GET|HEAD|POST|PUT|PATCH) (\S+) HTTP", bytes(data), re.M)

    def clear(self):
        self.requests.clear()
        self.proxy.bytes.update(up=0, down=0)

    def count(self, *methods, path="/manifests/"):
        return sum(method.decode() in methods and path in target.decode() for method, target in self.requests)

    def uploaded(self):
        """Bytes up, headers and all, as soon as one request sends something."""
        return self.proxy.bytes["up"] if self.count("POST", "PUT", "PATCH", path="") else 0


class ScriptedServer:
    """Answers each request with what `answer(request)` says: status, headers, body. `requests` are those that came."""

    def __init__(self, answer, certificates=None):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append((self.command, self.path, dict(self.headers)))
                status, headers, body = answer(self)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients that go away
        if certificates:
            self.server.socket = certificates.server_context().wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class TokenServer:
    """Gives out signed tokens that a registry honours for `life` seconds; asks for USER and PASSWORD.

    Distribution takes tokens up to a minute after they expired, so they are dated back by that.
    """

    LEEWAY = 60

    def __init__(self, directory, life):
        self.life = life
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.directory / "key", "-out",
            self.directory / "crt", "-days", "2", "-subj", "/CN=token-server")
        pem = (self.directory / "crt").read_text()
        self.certificate = "".join(pem.split("-----")[2].split())
        self.given = 0
        self.refused = 0
        self.server = ScriptedServer(self.answer)
        self.auth = {"token": {"realm": f"http://{self.server.address}/token", "service": "test",
                               "issuer": "token-server", "rootcertbundle": str(self.directory / "crt")}}

    def answer(self, request):
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Content-Type": "application/json"}
        if request.headers.get("Authorization") != wanted:
            self.refused += 1
            return 401, headers, json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}).encode()
        self.given += 1
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        return 200, headers, json.dumps({"token": self.sign(query), "expires_in": self.life}).encode()

    def sign(self, query):
        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        now = int(time.time())
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.certificate]}
        claims = {"iss": "token-server", "sub": USER, "aud": "test", "exp": now + self.life - self.LEEWAY, "nbf": now - 300,
                  "iat": now - 300, "jti": os.urandom(8).hex(), "access": access}
        text = encode(json.dumps(head).encode()) + "." + encode(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.directory / "key"], input=text.encode(),
                                   stdout=subprocess.PIPE, check=True).stdout
        return text + "." + encode(signature)

    def close(self):
        self.server.close()


class ConnectProxy:
    """An HTTP proxy for TLS. `names` says which port of this machine stands for HOST:PORT; `status` refuses all."""

    def __init__(self, names, status=None, credentials=None):
        self.names = names
        self.status = status
        self.wanted = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := client.recv(4096)):
                    return
                head += data
            lines = head.decode().split("\r\n")
            target = lines[0].split()[1]
            self.asked.append(target)
            fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            allowed = not self.wanted or fields.get("Proxy-Authorization") == self.wanted
            status = self.status or (407 if not allowed else 200 if target in self.names else 502)
            client.sendall(b"HTTP/1.1 %d x\r\nProxy-Authenticate: Basic realm=x\r\n\r\n" % status)
            if status != 200:
                return
            with socket.create_connection(("127.0.0.1", self.names[target])) as server:
                other = threading.Thread(target=self.pump, args=(client, server), daemon=True)
                other.start()
                self.pump(server, client)
                other.join()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
