"""Step 5: the apt files and dpkg-packages/, with real packages and with an archive made for the test."""
import io
import random
import re
import string
import subprocess
import tarfile
import time
import unittest

from debian import Archive, make_deb
from support import SHARED_STORE, Case, layers

APP = {"Procfile": "web: true\n", "requirements.txt": "colorama==0.4.6\n"}
ASKER_TEMPLATES = "Template: asker/name\nType: string\nDefault: nobody\nDescription: a name\n"
ASKER_POSTINST = '#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get asker/name\necho "$RET" >/etc/asker\n'
LICENSED_PREINST = '#!/bin/sh\n[ "$ACCEPT_EULA" = y ] || { echo "accept the licence" >&2; exit 1; }\n'


class AptTest(Case):
    def setUp(self):
        super().setUp()
        self.debs = self.scratch / "debs"
        self.debs.mkdir()

    def deb(self, name, version="1.0", **more):
        return make_deb(self.debs, name, version, **more)

    def archive(self):
        return self.enter(Archive(self.scratch / "archive"))

    def layer(self, metadata, step="system-packages"):
        """{path: content} of the files of the step's layers."""
        files = {}
        for digest in layers(metadata, step):
            blob = SHARED_STORE / "layout/blobs/sha256" / digest.removeprefix("sha256:")
            plain = subprocess.run(["zstd", "-dcq", blob], check=True, capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
                content = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
            self.assertEqual(files.keys() & content.keys(), set())
            files |= content
        return files

    def status(self, files):
        """{package: version} of what dpkg says is installed."""
        text = files["var/lib/dpkg/status"].decode()
        return dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", text, re.MULTILINE))

    def refused(self, files, code, debs=None):
        app = self.make_app({**APP, **files}, to=f"refused-{time.monotonic_ns()}")
        for name, deb in (debs or {}).items():
            (app / name).parent.mkdir(exist_ok=True)
            deb.rename(app / name)
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", check=False)
        self.assertEqual(result.returncode, code, result.stderr)
        message = result.stderr[result.stderr.index("\nerror: ") + 1 :]
        # Without the output of apt, which is between the message and the hint.
        return message.splitlines()[0] + "\n" + message[message.index("hint: ") :].strip()

    def test_every_file(self):
        archive = self.archive()
        secret = "hunter2-eula"
        greeters = [self.deb("greeter", version) for version in ("1.0", "2.0")]
        asker = self.deb("asker", scripts={"templates": ASKER_TEMPLATES, "postinst": ASKER_POSTINST}, Depends="debconf")
        licensed = self.deb("licensed", scripts={"preinst": LICENSED_PREINST}, Recommends="unwanted")
        pinned = [self.deb("pinned", version) for version in ("1.0", "1.1")]
        archive.publish("public", [*greeters, asker, self.deb("unwanted")])
        archive.publish("private", [licensed, *pinned])
        user = f"{archive.USER}:{archive.PASSWORD.replace('@', '%40')}@"
        private = archive.url.replace("//", f"//{user}") + "/private/"
        bom = "\ufeff"
        app = self.make_app(
            {
                **APP,
                "apt-conf": f'{bom}// settings\r\nAPT::Install-Recommends "false";\r\n'
                f'Acquire::ftp::Proxy "http://proxy:{secret}@proxy.example:1/";',
                "apt-env": f"# secret\r\nexport ACCEPT_EULA=y TOKEN={secret}",
                "apt-keys": f"# the archive's key\r\n\r\n{archive.url}/key.asc",
                "apt-preferences": "Package: greeter\r\nPin: version 1.0\r\nPin-Priority: 1001\r\n",
                "apt-repositories": f"{bom}deb {archive.url}/public/ ./   # both\r\ndeb {private} ./",
                "apt-debconf": "asker asker/name string Ada Lovelace # 1\r\n",
                "apt-packages": "# tools\r\n\r\ntree greeter\r\nasker licensed  pinned=1.0   # and a pin\r\nbase-fil*",
            }
        )
        first = self.deb("first", Depends="second (>= 1.0), tree")
        second = self.deb("second", Depends="first")
        (app / "dpkg-packages/deep").mkdir(parents=True)
        first.rename(app / "dpkg-packages/first.deb")
        second.rename(app / "dpkg-packages/deep/second.deb")

        metadata = self.build(app)
        files = self.layer(metadata)
        status = self.status(files)
        wanted = {"greeter": "1.0", "asker": "1.0", "licensed": "1.0", "pinned": "1.0", "first": "1.0", "second": "1.0"}
        self.assertEqual({name: status.get(name) for name in wanted}, wanted)
        self.assertNotIn("unwanted", status)  # apt-conf: no recommended packages
        self.assertIn("usr/bin/tree", files)
        self.assertEqual(files["etc/asker"], b"Ada Lovelace # 1\n")
        self.assertEqual(files["etc/apt/preferences.d/90customizations"].count(b"\r"), 0)
        self.assertEqual(
            files["etc/apt/sources.list.d/dash-build.list"].decode(),
            f"deb {archive.url}/public/ ./\ndeb {archive.url}/private/ ./\n",
        )
        self.assertEqual(
            files["etc/apt/apt.conf.d/99dokku-apt"].decode(),
            '// settings\nAPT::Install-Recommends "false";\nAcquire::ftp::Proxy "http://proxy.example:1/";\n',
        )
        # The server's password and the secrets of apt-env are nowhere: log, layers, records.
        secrets = [secret.encode(), archive.PASSWORD.encode(), archive.PASSWORD.replace("@", "%40").encode()]
        records = b"".join(file.read_bytes() for file in (SHARED_STORE / "records").rglob("*") if file.is_file())
        for value in secrets:
            self.assertNotIn(value, metadata["log"].encode())
            self.assertNotIn(value, records)
            self.assertEqual([name for name, content in files.items() if value in content], [])

        # Other line ends and comments are no change; another package is.
        for file in app.glob("apt-*"):
            file.write_text(file.read_text(encoding="utf-8-sig").replace("\r\n", "\n"))
        self.assertIn("[system-packages] reuse", self.build(app)["log"])
        self.deb("third").rename(app / "dpkg-packages/third.deb")
        plan = self.dash("plan", app, "-t", self.tag).stdout
        self.assertRegex(plan, r"system-packages +build +dpkg-packages/third.deb is new")

    def test_layers_by_package(self):
        """Each heavy package is a layer, which other apps have too; one package more sends itself and little else."""
        kib = 1024
        noise = random.Random(time.time_ns())

        def package(name, size, **more):
            files = {f"usr/share/{name}/data": "".join(noise.choices(string.ascii_letters, k=size)),
                     f"usr/lib/python3/dist-packages/{name}.py": f"NAME = '{name}'\n", **more.pop("files", {})}
            return self.deb(name, files=files, **more)

        archive = self.archive()
        archive.publish("public", [
            package("alpha", 900 * kib, Depends="beta"),
            package("beta", 700 * kib, files={"etc/beta.conf": "x = 1\n"}, scripts={"conffiles": "/etc/beta.conf\n"}),
            package("gamma", 600 * kib, scripts={"postinst": "#!/bin/sh\necho one >>/var/lib/configured\npy3compile -p gamma\n"}),
            *[package(f"small{i}", 10 * kib) for i in range(5)],
        ])
        source = f"deb [trusted=yes] {archive.url}/public/ ./"
        app = self.make_app({**APP, "apt-sources-list": source, "apt-packages": "alpha small0 small1 small2 small3\n"})
        first = self.build(app)
        (app / "apt-packages").write_text("alpha small0 small1 small2 small3 gamma\n")
        more = self.build(app)
        self.tag += "-other"
        other = self.build(self.make_app({**APP, "apt-sources-list": source, "apt-packages": "gamma beta\n"}, to="other"))

        def system(metadata):
            return {layer["digest"]: layer for layer in metadata["layers"] if layer["step"] == "system-packages"}

        def of(metadata, package):
            return [d for d, layer in system(metadata).items() if f"{package} 1.0" in layer.get("packages", "")]

        for package in ("alpha", "beta"):
            self.assertEqual(of(first, package), of(more, package))
        self.assertEqual(of(other, "beta"), of(first, "beta"))
        self.assertEqual(of(other, "gamma"), of(more, "gamma"))
        self.assertEqual([len(of(more, name)) for name in ("alpha", "beta", "gamma", "small0")], [1, 1, 1, 1])
        sent = [layer for digest, layer in system(more).items() if digest not in system(first)]
        self.assertLessEqual(sum(layer["size"] for layer in sent), 600 * kib + 256 * kib)
        # Last, and the only one without packages: what belongs to nobody.
        self.assertEqual(["packages" in layer for layer in system(more).values()], [True] * (len(system(more)) - 1) + [False])
        files = self.layer(more)
        self.assertEqual(files["var/lib/configured"], b"one\n")
        self.assertIn("usr/lib/python3/dist-packages/__pycache__/gamma.cpython-311.pyc", files)
        # In the layer of its module, not in the last.
        last = list(system(more))[-1]
        self.assertNotIn("usr/lib/python3/dist-packages/__pycache__/gamma.cpython-311.pyc",
                         self.layer({"layers": [{"step": "system-packages", "digest": last}]}))
        again = self.build(app, "--no-cache")
        self.tag = self.tag.removesuffix("-other")
        self.assertEqual(layers(again, "system-packages"), layers(more, "system-packages"))
        few = self.build(app, "--package-layers", "1")
        self.assertEqual(len(layers(few, "system-packages")), 2)

    def test_sources_list_replaces_all_sources(self):
        archive = self.archive()
        archive.publish("only", [self.deb("onlyhere")])
        app = self.make_app(
            {
                **APP,
                "apt-sources-list": f"deb [trusted=yes] {archive.url}/only/ ./",
                "apt-packages": "onlyhere",
            }
        )
        files = self.layer(self.build(app))
        self.assertEqual(self.status(files)["onlyhere"], "1.0")
        self.assertEqual([name for name in files if name.startswith("etc/apt/")], [])
        message = self.refused({"apt-sources-list": "", "apt-packages": "tree\n"}, 3)
        self.assertTrue(message.startswith("error: apt-packages:1: no package source has 'tree'\n"), message)

    def test_misspelt_directories(self):
        for name in ("dkpg-packages", "dkpg-package", "dpkg-package"):
            app = self.make_app(APP, to=name)
            (app / name).mkdir()
            (app / name / "x.deb").write_bytes(self.deb(f"in-{name}").read_bytes())
            metadata = self.build(app)
            self.assertIn(f"{name}/ is used, but the right name is dpkg-packages/", metadata["log"])
            self.assertEqual(self.status(self.layer(metadata))[f"in-{name}"], "1.0")

    def test_misspelt_package(self):
        self.assertEqual(
            self.refused({"apt-packages": "# needed by psycopg2\nlibpq5\nlibqp-dve curl\n"}, 3),
            "error: apt-packages:3: no package source has 'libqp-dve'\n"
            "hint: did you mean 'libpq-dev'? Packages of other vendors need their source in apt-repositories and its "
            "key in apt-keys",
        )

    def test_missing_version(self):
        archive = self.archive()
        archive.publish("public", [self.deb("tool", version) for version in ("1.0", "2.0")])
        sources = f"deb [trusted=yes] {archive.url}/public/ ./\n"
        self.assertEqual(
            self.refused({"apt-sources-list": sources, "apt-packages": "\ntool=3.0\n"}, 3),
            "error: apt-packages:2: no package source has version '3.0' of tool\n"
            "hint: there is 2.0, 1.0; write tool without a version for the newest",
        )

    def test_unknown_key_and_wrong_password(self):
        archive = self.archive()
        archive.publish("public", [self.deb("tool")])
        archive.publish("private", [self.deb("tool", "2.0")])
        message = self.refused({"apt-repositories": f"deb {archive.url}/public/ ./\n", "apt-packages": "tool\n"}, 3)
        self.assertEqual(
            message,
            f"error: the package source '{archive.url}/public ./ InRelease' is not signed by a known key\n"
            "hint: add the URL of the key that signs it to apt-keys",
        )
        wrong = archive.url.replace("//", "//deploy:oh-no@")
        files = {"apt-sources-list": f"deb [trusted=yes] {wrong}/private/ ./\n", "apt-packages": "tool\n"}
        self.assertIn("a package source refuses user name and password", self.refused(files, 8))

    def test_unmet_dependency(self):
        lonely = self.deb("lonely", Depends="dash-build-no-such")
        message = self.refused({}, 3, {"dpkg-packages/lonely.deb": lonely})
        self.assertTrue(
            message.startswith("error: dpkg-packages: lonely needs dash-build-no-such, which can't be installed\n"),
            message,
        )

    def test_failing_key(self):
        archive = self.archive()
        message = self.refused({"apt-keys": f"\n{archive.url}/no-such-key.asc", "apt-packages": "tree\n"}, 3)
        self.assertEqual(
            message,
            "error: apt-keys:2: this line failed with exit code 100\n"
            "hint: see the output above; each line is one key URL, repository or debconf selection",
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
