"""bin/pre_compile, bin/post_compile, Django's collectstatic and nltk.txt, as the Heroku Python buildpack had them."""
import hashlib
import io
import time
import unittest
import zipfile

from support import Case, decisions

from containerd import Containerd

SETTINGS = """
import pathlib
BASE = pathlib.Path(__file__).resolve().parent
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE / "site"]
STATIC_ROOT = BASE / "collected"
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
APP = {
    "Procfile": "web: python -m http.server $PORT\n",
    "requirements.txt": "django==5.2.8\nnltk==3.9.2\n",
    "bin/pre_compile": "#!/bin/bash\nset -e\necho \"$PWD $BUILD_DIR $GREETING\" >/etc/pre\necho made >generated.txt\n"
    "echo changed >data.txt\n[ -d \"$CACHE_DIR\" ]\ncommand -v django-admin >>/etc/pre || echo 'no packages yet' >>/etc/pre\n",
    "bin/post_compile": "#!/bin/bash\nset -e\npython -c 'import django; print(django.__name__)' >/opt/post\n"
    "cat generated.txt data.txt backend/manage/collected/hello.css >>/opt/post\nrm data.txt\necho $NLTK_DATA >>/opt/post\n",
    "data.txt": "original\n",
    "backend/manage/manage.py": MANAGE,
    "backend/manage/settings.py": SETTINGS,
    "backend/manage/site/hello.css": "h1 {}\n",
    "nltk.txt": "# corpora\r\ntiny",
}
PYTHON = {"Procfile": "web: true\n", "requirements.txt": "colorama==0.4.6\n"}


class HookTest(Case):
    def nltk_index(self):
        """An NLTK index on loopback with one corpus, "tiny"."""
        directory = self.scratch / "nltk"
        directory.mkdir()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("tiny/words", "one\ntwo\n")
        content = packed.getvalue()
        (directory / "tiny.zip").write_bytes(content)
        url = self.serve(directory)
        checksums = f'checksum="{hashlib.md5(content).hexdigest()}" sha256_checksum="{hashlib.sha256(content).hexdigest()}"'
        (directory / "index.xml").write_text(
            f'<nltk_data><packages><package id="tiny" name="Tiny" subdir="corpora" unzip="1" size="{len(content)}" '
            f'unzipped_size="8" {checksums} url="{url}/tiny.zip"/></packages><collections/></nltk_data>'
        )
        return {"DASH_BUILD_NLTK_INDEX": f"{url}/index.xml"}

    def test_all_of_them(self):
        app = self.make_app(APP)
        (app / "bin/post_compile").chmod(0o755)
        image = self.scratch / "image.tar"
        index = self.nltk_index()
        words = ["--env", "GREETING=hi"]
        plan = self.dash("plan", app, "-t", self.tag, *words, env=index).stdout
        order = "base launcher system-packages app pre-compile python-packages nltk collectstatic post-compile predeploy"
        self.assertEqual([line.split()[0] for line in plan.splitlines()], order.split())
        first = self.build(app, *words, "-o", f"oci-archive:{image}", env=index)
        self.assertIn("bin/pre_compile is not executable; it runs nevertheless", first["log"])
        self.assertIn("1 static file copied", first["log"])

        containerd = self.enter(Containerd(self.scratch / "containerd"))
        containerd.run(containerd.import_image(image), "app", 8081)
        containerd.page("app", 8081)

        def output(*command):
            return containerd.exec("app", "/exec", *command).stdout

        self.assertEqual(output("cat", "/etc/pre"), "/app /app hi\nno packages yet\n")
        data = "/app/.heroku/python/nltk_data"
        self.assertEqual(output("cat", "/opt/post"), f"django\nmade\nchanged\nh1 {{}}\n{data}\n")
        self.assertEqual(output("sh", "-c", "cat $NLTK_DATA/corpora/tiny/words; ls data.txt 2>&1 || true").split()[:2], ["one", "two"])
        owners = output("stat", "-c", "%U", "generated.txt", "backend/manage/collected/hello.css", data)
        self.assertEqual(owners, "herokuishuser\n" * 3)
        self.assertEqual(containerd.exec("app", "test", "-e", "/app/data.txt", check=False).returncode, 1)

        again = self.build(app, *words, env=index)
        self.assertEqual(set(decisions(again).values()) - {"skip"}, {"reuse"})
        self.assertEqual(again["image.digest"], first["image.digest"])
        # A hook may read any file, so any change runs it again; what it makes is the same, so the packages stay.
        (app / "note.txt").write_text(f"{time.time_ns()}\n")
        third = decisions(self.build(app, *words, env=index))
        self.assertEqual((third["app"], third["pre-compile"], third["python-packages"]), ("build", "build", "reuse"))

    def test_skips(self):
        app = self.make_app({name: text for name, text in {**APP, **PYTHON}.items() if "_compile" not in name})
        made = self.build(app)["log"]
        self.assertIn("[nltk] skip: nltk is not among the packages", made)
        self.assertIn("[collectstatic] skip: django is not among the packages", made)
        (app / "requirements.txt").write_text("django==5.2.8\n")
        plan = self.dash("plan", app, "-t", self.tag, "--env", "DISABLE_COLLECTSTATIC=1").stdout
        self.assertRegex(plan, r"collectstatic +skip +DISABLE_COLLECTSTATIC is set")
        (app / ".heroku").mkdir()
        (app / ".heroku/collectstatic_disabled").write_text("")
        plan = self.dash("plan", app, "-t", self.tag).stdout
        self.assertRegex(plan, r"collectstatic +skip +there is a file .heroku/collectstatic_disabled")

    def refused(self, files, code, env=None):
        app = self.make_app(files, to=f"refused-{len(list(self.scratch.iterdir()))}")
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", check=False, env=env)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr[result.stderr.index("error: ") :]

    def test_messages(self):
        message = self.refused({**PYTHON, "bin/post_compile": "#!/bin/sh\necho no database >&2\nexit 3\n"}, 4)
        self.assertTrue(message.startswith("error: bin/post_compile failed with exit code 3\n"), message)
        self.assertIn("| no database", message)
        message = self.refused({**PYTHON, "bin/pre_compile": "#!/bin/sh\r\necho x\r\n"}, 3)
        self.assertTrue(
            message.startswith("error: bin/pre_compile:1: the line ends with CR LF, so that its program can't be found\n"),
            message,
        )
        django = {**PYTHON, "requirements.txt": APP["requirements.txt"], "manage.py": MANAGE, "settings.py": "boom\n"}
        message = self.refused(django, 4)
        self.assertTrue(message.startswith("error: python manage.py collectstatic --noinput failed with exit code 1\n"), message)
        self.assertIn("NameError: name 'boom' is not defined", message)
        self.assertIn("or switch it off with --env DISABLE_COLLECTSTATIC=1", message)
        nltk = {**PYTHON, "requirements.txt": APP["requirements.txt"], "nltk.txt": "tiny\nno-such-corpus\n"}
        message = self.refused(nltk, 4, env=self.nltk_index())
        self.assertTrue(
            message.startswith("error: downloading the NLTK packages tiny, no-such-corpus failed with exit code 1\n"), message
        )
        self.assertIn("Error loading no-such-corpus: Package 'no-such-corpus' not", message)


if __name__ == "__main__":
    unittest.main(verbosity=2)
