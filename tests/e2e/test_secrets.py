"""--secret: commands see it, images, stores and logs do not."""
import hashlib
import json
import secrets
import subprocess
import tarfile
import time
import unittest

from support import Case, SHARED_STORE, USAGE_HINT, layers


class SecretTest(Case):
    def setUp(self):
        super().setUp()
        self.secret = secrets.token_hex(24)
        self.file = self.scratch / "token"
        self.file.write_text(self.secret)

    def make_secret_app(self, predeploy):
        return self.make_app(
            {
                "requirements.txt": "colorama==0.4.6\n./local\n",
                # Nothing of it may be there from an earlier run: secrets are no part of keys.
                "local/setup.py": f"import hashlib, setuptools  # {time.time_ns()}\n"
                "seen = hashlib.sha256(open('/run/secrets/token', 'rb').read()).hexdigest()\n"
                "setuptools.setup(name='local', version='1', py_modules=['m'], description=seen)\n",
                "local/m.py": "\n",
                "Procfile": "web: python app.py\n",
                "app.py": "\n",
                "app.json": json.dumps({"predeploy": f": {time.time_ns()}; {predeploy}"}),
                "apt-packages": "tree\n",
            }
        )

    def test_only_commands_see_it(self):
        """In a source build and in predeploy; a digest of it is the proof that it was read."""
        app = self.make_secret_app(
            "ls -ln /run/secrets > /app/listing; sha256sum < /run/secrets/token > /app/seen; "
            "sha256sum < /run/secrets/variable >> /app/seen; ! echo x 2>/dev/null > /run/secrets/token"
        )
        archive = self.scratch / "image.tar"
        made = self.build(
            app, "--secret", f"id=token,src={self.file}", "--secret", "id=variable,env=MY_TOKEN",
            "-o", f"docker-archive:{archive}", env={"MY_TOKEN": self.secret + "2"},
        )
        self.assertNotIn(self.secret, json.dumps(made))  # nor in the log
        unpacked = self.scratch / "unpacked"
        unpacked.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True)
        tars = sorted(unpacked.glob("*.tar"))
        self.assertGreater(len(tars), 3)
        content = b"".join(tar.read_bytes() for tar in tars)
        digest = hashlib.sha256(self.secret.encode()).hexdigest().encode()
        # In the wheel's metadata and in predeploy's file.
        self.assertEqual((content.count(self.secret.encode()), content.count(digest)), (0, 2))
        self.assertEqual(content.count(b"-r-------- 1 0 0 48 "), 1)
        names = []
        for path in tars:
            with tarfile.open(path) as tar:
                names += tar.getnames()
        self.assertEqual([name for name in names if name.startswith("run/secrets")], [])
        for path in ("records", "work", "packages", "caches"):
            found = subprocess.run(["grep", "-rlF", self.secret, SHARED_STORE / path], capture_output=True)
            self.assertEqual(found.stdout, b"", path)

        # No part of any key: another content, or none, runs nothing again.
        self.file.write_text("other")
        again = self.build(app, "--secret", f"id=token,src={self.file}")
        self.assertEqual(again["image.digest"], made["image.digest"])
        self.assertEqual(layers(again, "predeploy"), layers(made, "predeploy"))

    def test_without_the_option_there_is_none(self):
        app = self.make_app(
            {
                "requirements.txt": "colorama==0.4.6\n",
                "Procfile": "web: python app.py\n",
                "app.py": "\n",
                "app.json": json.dumps({"predeploy": "test ! -e /run/secrets"}),
            }
        )
        self.build(app)

    def test_wrong_options(self):
        app = self.scratch
        hint = "build commands see the content at /run/secrets/ID"
        table = [
            ("x", 2, "--secret 'x' is not id=ID,src=FILE or id=ID,env=NAME", hint),
            ("id=a", 2, "--secret 'id=a' is not id=ID,src=FILE or id=ID,env=NAME", hint),
            ("id=a,src=b,env=c", 2, "--secret 'id=a,src=b,env=c' is not id=ID,src=FILE or id=ID,env=NAME", hint),
            ("id=../a,src=b", 2, "--secret 'id=../a,src=b': the id '../a' is not a plain file name",
             "use letters, digits, '.', '_' and '-'"),
            ("id=a,env=NOT_SET_HERE", 9, "the secret 'a' is the variable NOT_SET_HERE, which is not set",
             "export it, or name a file with src=FILE"),
        ]
        for option, code, message, expected_hint in table:
            result = self.dash("build", app, "--secret", option, check=False)
            self.assertEqual((result.returncode, result.stderr), (code, f"error: {message}\nhint: {expected_hint}\n"))
        result = self.dash("build", app, "--secret", "id=a,src=/no/such/file", check=False)
        self.assertEqual(result.returncode, 9)
        self.assertEqual(
            result.stderr,
            "error: /no/such/file does not exist\n  while reading the secret 'a'\n"
            "hint: check src= of the --secret\n",
        )
        result = self.dash("build", app, "--secret", f"id=a,src={self.file}", "--secret", f"id=a,src={self.file}", check=False)
        self.assertEqual((result.returncode, result.stderr), (2, "error: two secrets have the id 'a'\n" + USAGE_HINT))


if __name__ == "__main__":
    unittest.main(verbosity=2)
