"""What the registry commands say when something is wrong: the exact text, and the exit code."""
import base64
import json
import subprocess
import unittest

from registries import (add_image, Layout, DOCUMENTS, PASSWORD, USER, Certificates, ConnectProxy, RegistryServer, ScriptedServer, need_program, htpasswd,
                        make_large_layout, make_layouts)
from support import PROGRAM, Case, run

NAMES = "hint: names look like 'sales', 'team/sales:1.2' or 'registry.example:5000/team/sales:1.2'\n"
CHECK = "hint: check the name; it may be misspelt, incomplete or removed\n"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
WRONG = "the wrong secret"


class RegistryErrorTest(Case):
    def setUp(self):
        super().setUp()
        self.home = self.scratch / "home"
        self.home.mkdir()
        self.store = self.scratch / "store"
        self.certs = self.scratch / "certs.d"

    def fail(self, code, message, *words, store=None, **env):
        """Runs the program, which must fail with just this message; $S is the scratch directory."""
        result = self.dash(
            *words, check=False, store=store or self.store,
            env={"HOME": str(self.home), "DOCKER_CONFIG": "", "XDG_RUNTIME_DIR": "", "SSL_CERT_FILE": "", **env},
        )
        said = result.stderr[result.stderr.index("error: ") :] if "error: " in result.stderr else result.stderr
        self.assertEqual((result.returncode, said.replace(str(self.scratch), "$S")), (code, message))
        self.assertNotIn(WRONG, result.stderr + result.stdout)

    def succeed(self, *words, **env):
        return self.dash(*words, store=self.store, env={"HOME": str(self.home), "DOCKER_CONFIG": "", "XDG_RUNTIME_DIR": "", **env})

    def serve(self, answer, **options):
        server = ScriptedServer(answer, **options)
        self.addCleanup(server.close)
        return server

    def registry(self, **options):
        server = RegistryServer(need_program("docker-registry"), self.scratch / "registry", **options)
        self.addCleanup(server.stop)
        return server

    def certs_of(self, host):
        directory = self.certs / host
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def proxy(self, names, **options):
        proxy = ConnectProxy(names, **options)
        self.addCleanup(proxy.close)
        return proxy

    def test_names(self):
        part = "must be lower-case letters and digits, separated by '.', '_', '__' or '-'"
        tag = "a tag has up to 128 letters, digits, '_', '.' and '-', and starts with none of '.' and '-'"
        layout = make_layouts(self.scratch / "images")["image"][0]
        for words, name, why in [
            (("pull", "registry.example/App"), "registry.example/App", f"the repository part 'App' {part}"),
            (("pull", "registry.example//app"), "registry.example//app", f"the repository part '' {part}"),
            (("pull", "registry.example/app:"), "registry.example/app:", tag),
            (("tags", "registry.example/app:a b"), "registry.example/app:a b", tag),
            (("manifest", "registry.example/app@sha256:12"), "registry.example/app@sha256:12",
             "what follows '@' must be sha256:<64 hexadecimal digits>"),
            (("delete", "registry.example:99999/app:1"), "registry.example:99999/app:1",
             "'registry.example:99999' is not a host name with an optional port"),
            (("pull", "https://registry.example/app"), "https://registry.example/app", "leave out 'https://'"),
            (("copy", f"oci:{layout}", "docker://registry.example/App"), "registry.example/App", f"the repository part 'App' {part}"),
            (("push", f"oci:{layout}", "Bad Name"), "Bad Name", f"the repository part 'Bad Name' {part}"),
        ]:
            with self.subTest(name):
                self.fail(2, f"error: '{name}' is not an image name: {why}\n{NAMES}", *words)
        self.fail(2, "error: 'app:latest' names no registry\nhint: write it in full: REGISTRY/app:latest, or define an alias in "
                  "registries.conf\n", "pull", "app", CONTAINERS_REGISTRIES_CONF="/dev/null")
        self.fail(9, f"error: $S/images/image has no image with the tag 'nope'; its tags are: 1\n{CHECK}",
                  "push", f"oci:{layout}:nope", "registry.example/app")

    def test_nobody_there(self):
        self.fail(5, "error: GET https://no-such-host.example/v2/app/tags/list: Could not resolve host: no-such-host.example\n"
                  "hint: check the name, the network and the proxy settings\n", "tags", "no-such-host.example/app")

    def test_credentials(self):
        """A wrong password: where it came from is said, never what it is."""
        certificates = Certificates(self.scratch / "ca")
        server = self.registry(certificates=certificates, auth=htpasswd(self.scratch / "auth"))
        (self.certs_of(server.address) / "ca.crt").write_bytes(certificates.ca.read_bytes())
        layout = make_layouts(self.scratch / "images")["image"][0]
        words = ("--certs-dir", self.certs)
        file = self.scratch / "auth.json"
        file.write_text(json.dumps({"auths": {server.address: {"auth": base64.b64encode(f"{USER}:{WRONG}".encode()).decode()}}}))
        url = f"https://{server.address}/v2"
        log_in = f"log in with 'dash-build login {server.address}', or ask for access to app"
        for origin, extra in ("$S/auth.json", ("--authfile", file)), ("--creds", ("--creds", f"{USER}:{WRONG}")):
            refused = f"hint: {server.address} refused the credentials from {origin}; {log_in}\n"
            self.fail(8, f"error: GET {url}/app/tags/list: 401 UNAUTHORIZED: authentication required\n{refused}",
                      "tags", f"{server.address}/app", *words, *extra)
            self.fail(8, f"error: GET {url}/app/manifests/1: 401 UNAUTHORIZED: authentication required\n"
                      f"  while pushing to {server.address}/app:1\n{refused}", "push", f"oci:{layout}", f"{server.address}/app:1", *words, *extra)
        file.write_text('{"auths": [')
        self.fail(3, "error: $S/auth.json is not a JSON object\nhint: this file holds registry credentials; mend it, or write it again "
                  "with 'dash-build login'\n", "tags", f"{server.address}/app", *words, "--authfile", file)
        self.fail(2, "error: --authfile names $S/none, which does not exist\nhint: 'dash-build COMMAND --help' shows what the command "
                  "takes\n", "tags", f"{server.address}/app", *words, "--authfile", self.scratch / "none")

    def test_certificates(self):
        certificates = Certificates(self.scratch / "ca")
        server = self.registry(certificates=certificates)
        certs = self.certs_of(server.address)
        tags = ("tags", f"{server.address}/app", "--certs-dir", self.certs)
        get = f"error: GET https://{server.address}/v2/app/tags/list: "
        local = "SSL certificate problem: unable to get local issuer certificate\nhint: the certificate was checked against "
        add = (f"; put the server's CA into DIR/{server.address}/ca.crt with --certs-dir DIR (or /etc/containerd/certs.d), add it to the "
               f"machine's, or take any certificate with --insecure {server.address}\n")
        self.fail(5, f"{get}{local}{BUNDLE}{add}", *tags)
        self.fail(2, "error: --certs-dir names $S/none, which is no directory\nhint: it has a directory for each registry in it: "
                  "DIR/registry.example:5000/ca.crt\n", "tags", f"{server.address}/app", "--certs-dir", self.scratch / "none")
        (certs / "ca.crt").write_bytes(Certificates(self.scratch / "other").ca.read_bytes())
        self.fail(5, f"{get}{local}{BUNDLE}, $S/certs.d/{server.address}/ca.crt{add}", *tags)
        (certs / "ca.crt").write_text("no certificate")
        self.fail(3, f"error: $S/certs.d/{server.address}/ca.crt holds no certificate\n"
                  "hint: CA files are PEM: they have lines with 'BEGIN CERTIFICATE'\n", *tags)
        (certs / "ca.crt").write_bytes(certificates.ca.read_bytes())
        (certs / "client.cert").write_text("no certificate")
        mend = "hint: mend what is named above, then run the command again\n"
        self.fail(3, f"error: $S/certs.d/{server.address}/client.cert is a client certificate, but $S/certs.d/{server.address}/client.key "
                  f"is missing\n{mend}", *tags)
        (certs / "client.cert").unlink()
        (certs / "hosts.toml").write_text('\nca = "missing.pem"\n')
        self.fail(3, f"error: $S/certs.d/{server.address}/hosts.toml:2: $S/certs.d/{server.address}/missing.pem does not exist\n{mend}", *tags)
        (certs / "hosts.toml").write_text('[host."ftp://mirror.example"]\n')
        self.fail(3, f"error: $S/certs.d/{server.address}/hosts.toml:1: 'ftp://mirror.example' is not a URL of a registry\n{mend}", *tags)

    def test_proxies(self):
        """Through a proxy, around it, and what is said when it is not there or refuses."""
        certificates = Certificates(self.scratch / "ca")
        server = self.registry(certificates=certificates)
        (self.certs_of("registry.example") / "ca.crt").write_bytes(certificates.ca.read_bytes())
        words = ("--certs-dir", self.certs)
        layout = make_layouts(self.scratch / "images")["image"][0]
        proxy = self.proxy({"registry.example:443": server.port}, credentials="user:secret")
        env = {"https_proxy": f"http://user:secret@{proxy.address}"}
        self.succeed("push", f"oci:{layout}", "registry.example/app:1", *words, **env)
        self.succeed("copy", "docker://registry.example/app:1", f"oci:{self.scratch}/copy:1", *words, **env)
        self.assertEqual(set(proxy.asked), {"registry.example:443"})
        asked = len(proxy.asked)
        tags = ("tags", "registry.example/app", *words)
        get = "error: GET https://registry.example/v2/app/tags/list: "
        self.fail(5, f"{get}Could not resolve host: registry.example\nhint: check the name, the network and the proxy settings\n",
                  *tags, **env, no_proxy="a.example,.example")
        self.assertEqual(len(proxy.asked), asked)
        settings = "check the proxy settings (https_proxy, http_proxy, no_proxy)\n"
        self.fail(8, f"{get}the proxy http://{proxy.address} answers 407\nhint: the proxy wants credentials: "
                  "https_proxy=http://USER:PASSWORD@PROXY:PORT\n", *tags, https_proxy=f"http://{proxy.address}")
        refusing = self.proxy({}, status=403)
        self.fail(8, f"{get}the proxy http://{refusing.address} answers 403\nhint: {settings}", *tags,
                  https_proxy=f"http://{USER}:{WRONG.replace(' ', '')}@{refusing.address}")
        self.fail(5, f"{get}Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server\n"
                  f"hint: the way leads over the proxy http://127.0.0.1:1; {settings}", *tags, https_proxy="http://127.0.0.1:1")

    def test_redirects(self):
        """Another host gets no credentials, and a public server cannot send us into a private network."""
        certificates = Certificates(self.scratch / "ca")
        document = b'{"schemaVersion": 2}'
        other = self.serve(lambda request: (200, {"Content-Type": DOCUMENTS[0]}, document), certificates=certificates)
        target = [""]

        def answer(request):
            if "Authorization" not in request.headers:
                return 401, {"WWW-Authenticate": 'Basic realm="test"'}, b""
            return 307, {"Location": target[0]}, b""

        origin = self.serve(answer, certificates=certificates)
        for host in "registry.example", "other.example":
            (self.certs_of(host) / "ca.crt").write_bytes(certificates.ca.read_bytes())
        proxy = self.proxy({"registry.example:443": origin.port, "other.example:443": other.port})
        manifest = ("manifest", "registry.example/app:1", "--certs-dir", self.certs, "--creds", f"{USER}:{PASSWORD}")
        env = {"https_proxy": f"http://{proxy.address}"}
        target[0] = "https://other.example/elsewhere"
        # What certs.d says of other.example counts for the registry of that name, not for where another one sends us.
        everywhere = {**env, "SSL_CERT_FILE": str(certificates.ca)}
        self.assertEqual(self.succeed(*manifest, **everywhere).stdout.encode(), document)
        self.assertEqual([(method, path) for method, path, _ in other.requests], [("GET", "/elsewhere")])
        self.assertNotIn("Authorization", other.requests[0][2])
        for place, why in [
            ("https://10.0.0.1/x?token=secret", "a private address"),
            ("https://127.0.0.1/x", "a private address"),
            ("https://[fd00::1]/x", "a private address"),
            ("http://other.example/x", "which is not encrypted"),
        ]:
            target[0] = place
            with self.subTest(place):
                self.fail(8, f"error: https://registry.example/v2/app/manifests/1 redirects to {place.split('?')[0]}, {why}; it was not followed\n"
                          "hint: run it as a user who may do this, or check the credentials\n", *manifest, **env)

    def test_registries_that_refuse(self):
        slow_down = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
        for status, headers, body, code, said, hint in [
            (503, {}, b"down", 5, "503", "the registry has a problem; try again later"),
            (429, {}, slow_down, 5, "429 TOOMANYREQUESTS: slow down",
             "the registry limits how much may be asked of it; log in, use a mirror, or try again later"),
            (429, {"Retry-After": "3600"}, slow_down, 5, "429 TOOMANYREQUESTS: slow down",
             "the registry limits how much may be asked of it; log in, use a mirror, or try again later"),
            (404, {}, b"<html>", 9, "404", "the registry has no repository app, or hides it"),
            (500, {"Retry-After": "3600"}, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}', 5,
             "500 MANIFEST_BLOB_UNKNOWN: blob unknown",
             "the registry lacks something that the manifest names, though it said before that it has it: its clean-up ran meanwhile, "
             "or it remembers what is gone; run this again, or restart the registry"),
        ]:
            with self.subTest(said, **headers):
                server = self.serve(lambda request, answer=(status, headers, body): answer)
                self.fail(code, f"error: GET http://{server.address}/v2/app/tags/list: {said}\nhint: {hint}\n", "tags", f"{server.address}/app")
                self.assertEqual(len(server.requests), 6 if status != 404 and not headers else 1)
        page = self.serve(lambda request: (200, {"Content-Type": "text/html"}, b"<html>please log in"))
        self.fail(10, f"error: GET http://{page.address}/v2/app/manifests/latest: the answer is no manifest\n"
                  f"  while pulling {page.address}/app:latest\n"
                  "hint: this may be no registry, or a proxy or a page for logging in answers in its place\n", "pull", f"{page.address}/app")

        self.fail(10, f"error: GET http://{page.address}/v2/app/tags/list: the answer is no list of tags\n"
                  "hint: this may be no registry, or a proxy or a page for logging in answers in its place\n", "tags", f"{page.address}/app")

    def test_read_only(self):
        """A registry that only answers, as distribution with 'readonly' or as a cache."""
        layout = make_layouts(self.scratch / "images")["image"][0]
        server = self.registry()
        name = f"{server.address}/app"
        self.succeed("push", f"oci:{layout}", f"{name}:1")
        server.stop()
        config = json.loads((server.directory / "config.yml").read_text())
        config["storage"]["maintenance"]["readonly"] = {"enabled": True}
        (server.directory / "config.yml").write_text(json.dumps(config))
        server.start()
        image = Layout(self.scratch / "new")
        image.tag(add_image(image, 50), "1")
        result = self.dash("push", f"oci:{image.directory}", f"{name}:2", check=False, store=self.store)
        self.assertEqual(result.returncode, 10, result.stderr)
        self.assertRegex(result.stderr, r"error: POST [^ ]*/v2/app/blobs/uploads/: 405[^\n]*\n  while pushing to ")
        self.assertTrue(result.stderr.endswith(f"hint: {server.address} takes no writes: it is read-only, or a cache of another registry; ask "
                                               "its operator, or use another\n"), result.stderr)
        self.fail(10, f"error: {name}:1 was not removed: {server.address} takes no writes (405)\n"
                  "hint: it is read-only, or a cache of another registry: ask its operator\n", "delete", f"{name}:1")
        self.assertEqual(json.loads(self.succeed("tags", "--json", f"docker://{name}").stdout), ["1"])

    def test_mirrors_that_fail(self):
        """What the mirrors said is told along with what the registry said."""
        empty = self.serve(lambda request: (404, {}, b""))
        (self.certs_of("registry.example") / "hosts.toml").write_text(
            'server = "https://registry.example"\n[host."http://127.0.0.1:1"]\n' f'[host."http://{empty.address}"]\n')
        self.fail(5, "error: GET https://registry.example/v2/app/manifests/1: Could not resolve host: registry.example\n"
                  "  after its mirror failed: GET http://127.0.0.1:1/v2/app/manifests/1: Failed to connect to 127.0.0.1 port 1 after 0 ms: "
                  "Couldn't connect to server\n"
                  f"  after its mirror failed: GET http://{empty.address}/v2/app/manifests/1: 404\n"
                  "hint: check the name, the network and the proxy settings\n",
                  "manifest", "registry.example/app:1", "--certs-dir", self.certs)

    def test_one_platform(self):
        """An image of another platform is refused when one is asked for by name, and taken with a word otherwise."""
        arm = Layout(self.scratch / "arm")
        digest = arm.tag(add_image(arm, 60, architecture="arm64"), "1")["digest"]
        server = self.registry()
        name = f"{server.address}/app:1"
        self.succeed("push", f"oci:{arm.directory}", name)
        has = f"error: {name} has no image for linux/amd64; it has linux/arm64\n"
        self.fail(9, f"{has}  while pulling {name}\n{CHECK}", "pull", name, "--platform", "linux/amd64")
        self.fail(9, f"{has}{CHECK}", "copy", f"docker://{name}", f"docker://{server.address}/b", "--platform", "linux/amd64")
        self.fail(9, f"{has.replace(name, f'oci:{arm.directory}:1')}{CHECK}".replace(str(self.scratch), "$S"),
                  "copy", f"oci:{arm.directory}:1", "arm", "--platform", "linux/amd64")
        result = self.succeed("pull", name, "-t", "arm")
        self.assertIn(f"{name} has no image for linux/amd64; it has linux/arm64, which was taken", result.stderr)
        by_digest = f"{server.address}/app@{digest}"
        self.succeed("pull", by_digest, "--platform", "linux/arm64/v8")
        self.assertEqual({image["name"] for image in json.loads(self.succeed("images", "--json").stdout)}, {"arm:latest", by_digest})
        self.assertIn("platform    linux/arm64\n", self.succeed("inspect", by_digest).stdout)
        (self.scratch / "list.toml").write_text(f'[[image]]\nsource = "{name}"\n')
        self.fail(2, "error: --platform is for images in registries, and --from names none\nhint: in a list, each image has its own "
                  "'platforms' and 'referrers'\n", "mirror", "export", self.scratch / "b.tar", "--from", self.scratch / "list.toml",
                  "--platform", "linux/amd64")

    def test_places_that_are_meant_otherwise(self):
        layout = make_layouts(self.scratch / "images")["image"][0]
        self.succeed("copy", f"oci:{layout}", "sales")
        self.fail(2, "error: 'registry.example/x:1' looks like a place in a registry, but without docker:// it is a name in the store; nothing "
                  "was copied\nhint: docker://registry.example/x:1 sends the image there; in the store, use a name without a registry\n",
                  "copy", "sales", "registry.example/x:1")
        self.fail(10, "error: 'docker://registry.example/x:1' is in a registry; this takes images on this machine\nhint: 'dash-build pull "
                  "registry.example/x:1' brings it into the store, 'dash-build copy docker://registry.example/x:1 docker://…' to another "
                  "registry, and 'dash-build manifest registry.example/x:1' shows what it is\n", "inspect", "docker://registry.example/x:1")
        self.fail(2, "error: 'tags registry.example/x:1' names one image of a repository\nhint: leave the tag out to list them all; "
                  "'dash-build manifest registry.example/x:1' shows whether one is there\n", "tags", "registry.example/x:1")
        self.fail(2, "error: -t 'x@sha256:" + "0" * 64 + "' is a name with a digest\nhint: give a tag: the digest is the image's own\n",
                  "pull", "registry.example/x:1", "-t", "x@sha256:" + "0" * 64)
        login = subprocess.run([PROGRAM, "login", "https://registry.example/", "-u", USER], input=PASSWORD, capture_output=True, text=True,
                               check=False, env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"})
        self.assertEqual((login.returncode, login.stderr), (
            2, "error: 'https://registry.example/' is not a registry's host name\nhint: write HOST[:PORT], without https:// and without a "
            "path: registry.example:5000\n"))
        creds = ("--creds", f"{USER}:{PASSWORD}")
        several = "hint: 'dash-build login' stores a password for each registry\n"
        self.fail(2, f"error: --creds is for one registry, and several are named: a.example, b.example\n{several}", "mirror", "export",
                  self.scratch / "b.tar", "--from", "docker://a.example/x:1", "b.example/y:1", *creds)
        app = self.make_app({"Procfile": "web: python app.py\n", "app.py": "\n"})
        self.fail(2, f"error: --creds is for a registry, and none is named\n{several}", "build", app, *creds)

    def test_deleting_is_off(self):
        server = self.registry(deletes=False)
        layout, digest = make_layouts(self.scratch / "images")["image"]
        self.succeed("push", f"oci:{layout}", f"{server.address}/app:1")
        for name in f"{server.address}/app:1", f"{server.address}/app@{digest}":
            self.fail(10, f"error: {name} was not removed: {server.address} does not allow deleting (405)\n"
                      "hint: its operator allows it: in distribution with 'delete: {enabled: true}' below 'storage', or "
                      "REGISTRY_STORAGE_DELETE_ENABLED=true\n", "delete", name)
        self.assertEqual(self.succeed("tags", f"{server.address}/app").stdout, "1\n")

    def test_login_without_need(self):
        """As docker, skopeo and crane do: the password is kept, because a registry may ask later; but that is said."""
        server = self.registry()
        file = self.home / ".docker/config.json"
        words = [PROGRAM, "login", server.address, "-u", USER, "--password-stdin"]
        login = subprocess.run(words, input=PASSWORD, capture_output=True, text=True, check=True,
                               env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"})
        self.assertEqual(login.stdout, f"{server.address} did not ask for a password, so this one was not checked; it is stored in {file}, "
                         f"and 'dash-build logout {server.address}' removes it\n")
        self.assertIn(server.address, json.loads(file.read_text())["auths"])

    def test_lists_by_another_name(self):
        self.succeed("layer", self.home, "-o", f"oci:{self.scratch}/made:1")
        self.succeed("copy", f"oci:{self.scratch}/made:1", "made")
        export = ("mirror", "export", self.scratch / "b.tar", "--from")
        lists = ("hint: a list of images is a file whose name ends in .toml, an image in a registry is REGISTRY/REPOSITORY:TAG; "
                 "'dash-build images' lists what is in the store\n")
        self.fail(9, f"error: there is no image 'm.tml:latest' in the store\n{lists}", *export, "m.tml")
        (self.scratch / "list.tml").write_text("[[image]]\n")
        result = self.dash(*export, "list.tml", check=False, store=self.store, cwd=self.scratch)
        self.assertEqual((result.returncode, result.stderr[result.stderr.index("error: ") :]), (
            2, "error: --from list.tml is a file, but no list by its name\n"
            "hint: the name of a list ends in .toml; an archive is oci-archive:FILE\n"))

    def test_disks(self):
        """A disk that is full, or can only be read; afterwards what is there is valid, and the rest is fetched."""
        layout = self.scratch / "large"
        image, layer = make_large_layout(layout, 64 << 20)
        server = self.registry()
        name = f"{server.address}/app:1"
        self.succeed("push", f"oci:{layout}", name)
        disk = self.scratch / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", disk)
        self.addCleanup(run, "umount", "-l", disk, check=False)
        store = disk / "store"
        space = "hint: free space (or inodes) on that file system; for the store, 'dash-build gc' frees some, and DASH_BUILD_HOME sets another disk\n"
        self.fail(7, f"error: cannot write $S/disk/store/layout/blobs/sha256/{layer[7:]}.part: No space left on device\n"
                  f"  while pulling {name}\n{space}", "pull", name, store=store)
        self.assertEqual(self.dash("validate", store=store).stdout, "valid\n")
        run("mount", "-o", "remount,size=100m", disk)
        result = self.dash("pull", name, store=store).stdout
        self.assertIn("1 blob fetched", result)
        self.assertEqual(self.dash("validate", store=store).stdout, "valid\n")

        run("sh", "-c", f"head -c 200M /dev/zero > {disk}/fill", check=False)
        result = self.dash("copy", f"docker://{name}", f"oci:{disk}/copy:1", check=False, store=store)
        self.assertEqual(result.returncode, 7, result.stderr)
        (disk / "fill").unlink()
        run("mount", "-o", "remount,size=200m", disk)
        self.succeed("copy", f"docker://{name}", f"oci:{disk}/copy:1")  # what the failure left is no obstacle

        run("mount", "-o", "remount,ro", disk)
        only = "hint: this file system can only be read; use a directory elsewhere, as the store with DASH_BUILD_HOME\n"
        self.fail(8, f"error: cannot make the directory $S/disk/none: Read-only file system\n  while opening the store $S/disk/none\n{only}",
                  "pull", name, store=disk / "none")
        # A push needs no place for its notes.
        self.dash("push", f"oci:{layout}", f"{server.address}/other:1", store=disk / "none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
