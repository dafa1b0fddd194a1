"""The registry commands against real registries, and beside other clients: what one pushed the other pulls, byte by byte.

Those that are not in Debian come from scripts/go_tools.sh, as scripts/test.sh calls it.
"""
import json
import pathlib
import subprocess
import time
import unittest

from registries import (DOCUMENTS, PASSWORD, USER, Certificates, RegistryServer, TcpProxy, need_program, htpasswd, make_large_layout,
                        make_layouts, sha256)
from support import PROGRAM, Case, run

CLIENTS = ("skopeo", "crane", "regctl", "oras")


def layout_contents(directory, reference="1"):
    """Like RegistryServer.contents, of a layout."""
    blobs = pathlib.Path(directory) / "blobs/sha256"
    out = set()

    def take(descriptor):
        body = (blobs / descriptor["digest"][7:]).read_bytes()
        assert sha256(body) == descriptor["digest"]
        out.add(descriptor["digest"])
        if "manifest" not in descriptor["mediaType"] and "index" not in descriptor["mediaType"]:
            return
        parsed = json.loads(body)
        for child in parsed.get("manifests", []) + [parsed[key] for key in ("config",) if key in parsed] + parsed.get("layers", []):
            if "nondistributable" not in child["mediaType"]:
                take(child)

    entries = json.loads((pathlib.Path(directory) / "index.json").read_text())["manifests"]
    take(next(e for e in entries if len(entries) == 1 or e.get("annotations", {}).get("org.opencontainers.image.ref.name") == reference))
    return out


class RegistryCase(Case):
    def setUp(self):
        super().setUp()
        self.store = self.scratch / "store"
        self.home = self.scratch / "home"
        self.home.mkdir()

    def dash(self, *words, **options):
        env = {"HOME": str(self.home), "DOCKER_CONFIG": str(self.home / ".docker"), "XDG_RUNTIME_DIR": str(self.home / "run"),
               **options.pop("env", {})}
        return super().dash(*words, store=options.pop("store", self.store), env=env, **options)

    def serve(self, program, name="registry", **options):
        server = RegistryServer(program, self.scratch / name, **options)
        self.addCleanup(server.stop)
        return server

    def layouts(self):
        return make_layouts(self.scratch / "images")


class Commands:
    """Against one registry; the classes below say which."""

    def setUp(self):
        super().setUp()
        self.program = need_program(self.registry)

    def serve(self, name="registry", **options):
        return super().serve(self.program, name, **options)

    def test_with_password_and_private_ca(self):
        certificates = Certificates(self.scratch / "ca")
        server = self.serve(certificates=certificates, auth=htpasswd(self.scratch / "auth"))
        directory, digest = self.layouts()["image"]
        name = f"{server.address}/team/app"
        certs = self.scratch / "certs.d" / server.address
        certs.mkdir(parents=True)
        certs_dir = ("--certs-dir", certs.parent)

        refused = self.dash("push", f"oci:{directory}", f"{name}:1", check=False)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("unable to get local issuer certificate", refused.stderr)
        (certs / "ca.crt").write_bytes(certificates.ca.read_bytes())
        refused = self.dash("push", f"oci:{directory}", f"{name}:1", *certs_dir, check=False)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        self.assertIn(f"hint: {server.address} refused a request without credentials", refused.stderr)

        with subprocess.Popen(
            [PROGRAM, "login", server.address, "-u", USER, *certs_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
        ) as login:
            said = login.communicate(PASSWORD + "\n", timeout=60)[0]
        config = self.home / ".docker/config.json"
        self.assertEqual((login.returncode, said), (0, f"logged in to {server.address} ({config})\n"))
        self.assertEqual(config.stat().st_mode & 0o777, 0o600)

        for tag in "1", "2", "3":
            self.dash("push", f"oci:{directory}", f"{name}:{tag}", *certs_dir)
        self.assertEqual(server.contents("team/app", "3"), layout_contents(directory))
        self.assertEqual(self.dash("tags", name, *certs_dir).stdout, "1\n2\n3\n")
        self.assertEqual(sha256(self.dash("manifest", f"{name}:2", *certs_dir).stdout.encode()), digest)
        self.dash("pull", f"{name}:1", "-t", "mine", *certs_dir)
        self.assertIn("mine:latest", self.dash("images").stdout)
        self.assertEqual(self.dash("validate").stdout, "valid\n")
        again = self.dash("pull", f"{name}@{digest}", "-t", "other", *certs_dir).stdout
        self.assertIn("0 blobs fetched (0 B), 3 already there\n", again)
        copied = self.dash("copy", f"docker://{name}:1", f"docker://{server.address}/other/place:x", *certs_dir).stdout
        self.assertIn("0 blobs sent (0 B), 3 mounted, 0 already there\n", copied)
        self.assertEqual(server.contents("other/place", "x"), layout_contents(directory))
        self.assertIn("already there\n", self.dash("push", "mine", f"{name}:1", *certs_dir).stdout)

        # The same CA by hosts.toml, which names it itself.
        (certs / "ca.crt").rename(certs / "named.pem")
        (certs / "hosts.toml").write_text(f'server = "https://{server.address}"\nca = "named.pem"\n')
        self.dash("manifest", f"{name}:1", *certs_dir)

        self.dash("delete", f"{name}@{digest}", *certs_dir)
        gone = self.dash("delete", f"{name}@{digest}", *certs_dir, check=False)
        self.assertEqual((gone.returncode, gone.stderr), (9, f"error: {name}@{digest} is not there\nhint: check the name; it may be misspelt, incomplete or removed\n"))
        gone = self.dash("pull", f"{name}:1", *certs_dir, check=False)
        self.assertEqual(gone.returncode, 9, gone.stderr)

        self.dash("logout", server.address)
        self.assertNotIn(server.address, config.read_text())
        self.assertEqual(self.dash("tags", name, *certs_dir, check=False).returncode, 8)

    def test_client_certificate(self):
        """A registry that wants to see one: by Docker's files, by hosts.toml, and what is said without."""
        certificates = Certificates(self.scratch / "ca")
        server = self.serve(certificates=certificates, clients_ca=certificates.ca)
        directory, _ = self.layouts()["image"]
        target = f"{server.address}/app:1"
        certs = self.scratch / "certs.d" / server.address
        certs.mkdir(parents=True)
        (certs / "ca.crt").write_bytes(certificates.ca.read_bytes())
        push = ("push", f"oci:{directory}", target, "--certs-dir", certs.parent)
        refused = self.dash(*push, check=False)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        self.assertEqual(
            refused.stderr,
            f"error: HEAD https://{server.address}/v2/app/manifests/1: the server wants a client certificate, and there is none for it\n"
            f"  while pushing to {target}\n"
            f"hint: put one into certs.d/{server.address}/ as NAME.cert with NAME.key, or as 'client' into its hosts.toml\n",
        )
        for name in "client_crt", "client_key":
            source = getattr(certificates, name)
            (certs / source.name.replace("crt", "cert")).write_bytes(source.read_bytes())
        self.dash(*push)
        for file in certs.iterdir():
            file.rename(self.scratch / file.name)
        (certs / "hosts.toml").write_text(
            f'ca = "{certificates.ca}"\nclient = [["{self.scratch}/client.cert", "{self.scratch}/client.key"]]\n'
        )
        self.dash("manifest", target, "--certs-dir", certs.parent)

    def test_mirrors(self):
        """hosts.toml and registries.conf: the mirror answers for a registry that does not exist, and takes no pushes."""
        certificates = Certificates(self.scratch / "ca")
        mirror = self.serve(certificates=certificates)
        directory, digest = self.layouts()["index"]
        certs = self.scratch / "certs.d"
        for name in mirror.address, "registry.example":
            (certs / name).mkdir(parents=True)
        (certs / mirror.address / "ca.crt").write_bytes(certificates.ca.read_bytes())
        words = ("--certs-dir", certs)
        self.dash("push", f"oci:{directory}", f"{mirror.address}/team/app:1", *words)
        (certs / "registry.example/hosts.toml").write_text(
            f'server = "https://registry.example"\n[host."https://{mirror.address}"]\n'
            f'capabilities = ["pull", "resolve"]\nca = "{certificates.ca}"\n'
        )
        self.dash("copy", "docker://registry.example/team/app:1", f"oci:{self.scratch}/by-hosts:1", *words)
        self.assertEqual(layout_contents(self.scratch / "by-hosts"), layout_contents(directory))
        failed = self.dash("push", f"oci:{directory}", "registry.example/team/app:2", *words, check=False, timeout=120)
        self.assertEqual(failed.returncode, 5, failed.stderr)
        self.assertIn("error: HEAD https://registry.example/v2/team/app/manifests/2: ", failed.stderr)

        conf = self.scratch / "registries.conf"
        conf.write_text(
            'unqualified-search-registries = ["images.example"]\n'
            '[[registry]]\nprefix = "images.example/mirrored"\nlocation = "images.example/mirrored"\n'
            f'[[registry.mirror]]\nlocation = "{mirror.address}/team"\n'
            '[aliases]\n"app" = "images.example/mirrored/app"\n'
        )
        env = {"CONTAINERS_REGISTRIES_CONF": str(conf)}
        for name in "images.example/mirrored/app:1", "mirrored/app:1", "app:1":
            out = self.dash("manifest", name, *words, env=env).stdout
            self.assertEqual(sha256(out.encode()), digest, name)
        self.dash("pull", "app:1", "-t", "pulled", *words, env=env)

    def test_every_kind_of_image(self):
        """From a layout to a registry, to another registry, to a layout: the same bytes."""
        first, second = self.serve("first"), self.serve("second")
        for kind, (directory, digest) in self.layouts().items():
            with self.subTest(kind):
                expected = layout_contents(directory)
                self.dash("copy", f"oci:{directory}:1", f"docker://{first.address}/set/{kind}:1")
                self.assertEqual(first.contents(f"set/{kind}", "1"), expected)
                self.dash("copy", f"docker://{first.address}/set/{kind}:1", f"docker://{second.address}/copy/{kind}:1")
                self.assertEqual(second.contents(f"copy/{kind}", "1"), expected)
                back = self.scratch / "back" / kind
                self.dash("copy", f"docker://{second.address}/copy/{kind}@{digest}", f"oci:{back}:1")
                self.assertEqual(layout_contents(back), expected)

    def test_foreign_layers(self):
        """They stay where they are: whoever takes an image without them is no worse for it, and a refusal says why."""
        server = self.serve()
        directory, digest = self.layouts()["foreign"]
        expected = layout_contents(directory)
        foreign = json.loads((directory / "blobs/sha256" / digest[7:]).read_text())["layers"][0]
        name = f"{server.address}/app:1"
        self.dash("push", f"oci:{directory}", name)
        self.dash("pull", name, "-t", "foreign")
        self.assertEqual(self.dash("validate").stdout, "valid\n")
        for source in f"oci:{directory}:1", "foreign", f"docker://{name}":
            archive = self.scratch / f"{source.split(':')[0]}.tar"
            self.dash("copy", source, f"oci-archive:{archive}:1")
            run("skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", f"oci-archive:{archive}:1", f"oci:{archive}.by-skopeo:1")
            self.assertEqual(layout_contents(f"{archive}.by-skopeo"), expected)
            again = self.scratch / f"{archive}-again"
            self.dash("copy", f"oci-archive:{archive}:1", f"oci:{again}:1")
            self.assertEqual(layout_contents(again), expected)
        refused = self.dash("copy", f"oci:{directory}:1", f"docker-archive:{self.scratch}/d.tar:d", check=False)
        self.assertEqual((refused.returncode, refused.stderr), (
            10, f"error: image {digest} has the layer {foreign['digest']}, which is not to be distributed ({foreign['mediaType']}) and is "
            "not here\nhint: an image that has all its layers is needed here; registries, oci: and oci-archive: take this one as it is\n"))
        self.assertFalse((self.scratch / "d.tar").exists())

        strict = self.serve("strict", foreign=False)
        refused = self.dash("push", f"oci:{directory}", f"{strict.address}/app:1", check=False)
        self.assertEqual((refused.returncode, refused.stderr[refused.stderr.index("error: ") :]), (
            10, f"error: {strict.address} takes no image with the foreign layer {foreign['digest']}, which is not to be distributed and "
            f"stays where it is (500 MANIFEST_BLOB_UNKNOWN)\n  while pushing to {strict.address}/app:1\n"
            "hint: its operator allows it: in distribution with 'manifests: {urls: {allow: [^https://]}}' below 'validation'; or use "
            "another registry, or an image that has all its layers\n"))

    def test_artifacts_and_indexes_in_the_store(self):
        """They are listed and shown beside images, each as what it is."""
        layouts = self.layouts()
        self.dash("copy", f"oci:{layouts['artifact'][0]}:1", "chart")
        self.dash("copy", f"oci:{layouts['image'][0]}:1", "plain")
        self.dash("copy", f"oci:{layouts['index'][0]}:1", "multi")
        listed = {image["name"]: image for image in json.loads(self.dash("images", "--json").stdout)}
        self.assertEqual({name: image["digest"] for name, image in listed.items()},
                         {f"{name}:latest": layouts[kind][1] for name, kind in [("chart", "artifact"), ("plain", "image"), ("multi", "index")]})
        self.assertEqual(listed["chart:latest"]["artifactType"], "application/vnd.example.chart")
        self.assertEqual((listed["multi:latest"]["images"], listed["multi:latest"]["layers"]), (2, 5))
        text = self.dash("images").stdout
        self.assertIn("  artifact application/vnd.example.chart\n", text)
        self.assertIn("  index of 2 images\n", text)
        self.assertIn("\nartifact    application/vnd.example.chart\n", self.dash("inspect", "chart").stdout)
        self.assertEqual(json.loads(self.dash("inspect", "--json", "chart").stdout)["layers"][0]["mediaType"], "application/vnd.example.chart.v1")
        shown = self.dash("inspect", "multi").stdout
        self.assertTrue(shown.startswith(f"index       {layouts['index'][1]}\ndigest      sha256:"), shown)
        self.assertEqual(json.loads(self.dash("inspect", "--json", f"oci:{layouts['index'][0]}:1").stdout)["index"], layouts["index"][1])
        refused = self.dash("lock", "chart", check=False)
        self.assertEqual((refused.returncode, refused.stderr), (
            10, f"error: manifest {layouts['artifact'][1]} is no image: it is an artifact of the type 'application/vnd.example.chart'\n"
            "hint: an artifact can be copied, pushed and removed; what is asked here needs an image\n"))
        config = json.loads((self.store / "layout/blobs/sha256" / layouts["artifact"][1][7:]).read_text())
        (self.store / "layout/blobs/sha256" / layouts["artifact"][1][7:]).write_text("{}" + " " * 10 + str(config)[:4])
        damaged = self.dash("images", check=False)
        self.assertEqual(damaged.returncode, 6, damaged.stderr)
        self.assertIn("plain:latest", damaged.stdout)
        self.assertIn("multi:latest", damaged.stdout)
        self.assertIn("  while reading chart:latest\n", damaged.stderr)

    def test_build_push(self):
        server = self.serve()
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": "web: python app.py\n", "app.py": "\n"})
        target = f"{server.address}/built/app:1"
        words = ("build", app, "-t", self.tag, "--progress", "plain", "--push", target)
        log = Case.dash(self, *words).stderr
        self.assertIn("[push]", log)
        server.contents("built/app", "1")
        names = json.loads(Case.dash(self, "inspect", "--json", self.tag).stdout)
        self.assertIn(sha256(server.get("built/app/manifests/1", DOCUMENTS[0])), json.dumps(names))

    def test_build_with_credentials(self):
        """One login for the base image, the cache and the push of a build; it is nowhere in what is printed or made."""
        server = self.serve(auth=htpasswd(self.scratch / "auth"))
        app = self.make_app({"Procfile": "web: python app.py\n", "app.py": "\n", "requirements.txt": ""})
        words = ("build", app, "-t", self.tag, "--progress", "plain")
        creds = ("--creds", f"{USER}:{PASSWORD}")
        Case.dash(self, *words)
        Case.dash(self, "push", self.tag, f"{server.address}/base/image:1", *creds)
        words += ("--base", f"docker://{server.address}/base/image:1", "--push", f"{server.address}/built/app:1")
        refused = Case.dash(self, *words, check=False)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        log = Case.dash(self, *words, *creds).stderr
        self.assertNotIn(PASSWORD, log + Case.dash(self, "inspect", "--json", self.tag).stdout)
        layers = json.loads(server.get("built/app/manifests/1", DOCUMENTS[0]))["layers"]
        below = json.loads(server.get("base/image/manifests/1", DOCUMENTS[0]))["layers"]
        self.assertEqual([layer["digest"] for layer in layers[: len(below)]], [layer["digest"] for layer in below])

    def test_interrupted_pull_in_df(self):
        """What a killed pull leaves is shown by df until it is continued."""
        server = self.serve()
        directory, _ = make_large_layout(self.scratch / "large", 24 << 20)
        self.dash("push", f"oci:{self.scratch / 'large'}", f"{server.address}/large:1", store=self.scratch / "other")
        proxy = TcpProxy(server.port, rate=6 << 20)
        self.addCleanup(proxy.close)

        def partial():
            if not (self.store / "layout").exists():
                return 0
            kinds = json.loads(self.dash("df", "--json").stdout)["kinds"]
            return sum(kind["bytes"] for kind in kinds if kind["kind"] == "partial downloads")

        words = [PROGRAM, "pull", f"{proxy.address}/large:1", "-t", "large", "--progress", "quiet"]
        environment = {"DASH_BUILD_HOME": str(self.store), "HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL) as pull:
            for _ in range(200):
                if partial() > 4 << 20 or pull.poll() is not None:
                    break
                time.sleep(0.05)
            pull.kill()
        kept = partial()
        self.assertGreater(kept, 4 << 20)
        self.assertIn("partial downloads", self.dash("df").stdout)
        before = proxy.bytes["down"]
        self.dash(*words[1:])
        self.assertLess(proxy.bytes["down"] - before, (24 << 20) - (3 << 20))
        self.assertEqual(partial(), 0)

    def client_commands(self, client, layout, address):
        """How a client pushes a layout's image 1 to a repository, and pulls it into a directory."""
        path = need_program(client)
        plain = ("--insecure-policy", "--all", "--preserve-digests")
        return {
            "skopeo": (
                lambda to: run(path, "copy", "-q", *plain, "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{to}:1"),
                lambda of, to: run(path, "copy", "-q", *plain, "--src-tls-verify=false", f"docker://{of}:1", f"oci:{to}:1"),
            ),
            "crane": (
                lambda to: run(path, "push", "--insecure", layout, f"{to}:1"),
                lambda of, to: run(path, "pull", "--insecure", "--format=oci", f"{of}:1", to),
            ),
            "regctl": (
                lambda to: run(path, "--host", f"reg={address},tls=disabled", "image", "copy", f"ocidir://{layout}:1", f"{to}:1"),
                lambda of, to: run(path, "--host", f"reg={address},tls=disabled", "image", "copy", f"{of}:1", f"ocidir://{to}:1"),
            ),
            "oras": (
                lambda to: run(path, "cp", "--no-tty", "--from-oci-layout", "--to-plain-http", f"{layout}:1", f"{to}:1"),
                lambda of, to: run(path, "cp", "--no-tty", "--from-plain-http", "--to-oci-layout", f"{of}:1", f"{to}:1"),
            ),
        }[client]

    # crane fetches foreign layers from their own place, which does not exist.
    UNABLE = {("crane", "foreign")}

    def test_other_clients(self):
        """What they pushed is copied and pulled, what we pushed they pull."""
        server, other = self.serve("first"), self.serve("second")
        for client in CLIENTS:
            for kind, (directory, _) in make_layouts(self.scratch / client).items():
                expected = layout_contents(directory)
                push, pull = self.client_commands(client, directory, server.address)
                with self.subTest(f"{client} pushed an {kind}"):
                    theirs = f"{server.address}/{client}/{kind}"
                    push(theirs)
                    self.assertEqual(server.contents(f"{client}/{kind}", "1"), expected)
                    self.dash("copy", f"docker://{theirs}:1", f"docker://{other.address}/{client}/{kind}:1")
                    self.assertEqual(other.contents(f"{client}/{kind}", "1"), expected)
                    self.dash("copy", f"docker://{theirs}:1", f"oci:{self.scratch}/{client}-{kind}:1")
                    self.assertEqual(layout_contents(self.scratch / f"{client}-{kind}"), expected)
                with self.subTest(f"{client} pulls the {kind} that we pushed"):
                    ours = f"{server.address}/ours/{client}/{kind}"
                    self.dash("push", f"oci:{directory}", f"{ours}:1")
                    if (client, kind) not in self.UNABLE:
                        pull(ours, self.scratch / f"by-{client}-{kind}")
                        self.assertEqual(layout_contents(self.scratch / f"by-{client}-{kind}"), expected)


class DebianRegistryTest(Commands, RegistryCase):
    registry = "docker-registry"


class DistributionTest(Commands, RegistryCase):
    registry = "registry"  # distribution v3


if __name__ == "__main__":
    unittest.main(verbosity=2)
