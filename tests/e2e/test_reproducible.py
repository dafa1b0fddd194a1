"""The same app gives the same manifest digest, wherever and however it is built."""
import itertools
import os
import shutil
import unittest

from support import SHARED_STORE, Case


class ReproducibleTest(Case):
    def test_other_circumstances(self):
        """Directory, umask, locale, time zone, threads, file order; everything but the base image is made again."""
        digests = set()
        circumstances = [
            (0o022, {"LC_ALL": "C", "TZ": "UTC"}, "1"),
            (0o077, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}, "2"),
            (0o002, {"LC_ALL": "C.UTF-8", "TZ": "America/New_York"}, "8"),
        ]
        for number, (umask, env, threads) in enumerate(circumstances):
            app = self.scratch / f"place-{number}" / "app"
            names = sorted(os.listdir(self.copy_app("inventory", f"original-{number}")), reverse=number % 2 == 1)
            before = os.umask(umask)
            try:
                app.mkdir(parents=True)
                for name in names:
                    source = self.scratch / f"original-{number}" / name
                    shutil.copytree(source, app / name) if source.is_dir() else shutil.copyfile(source, app / name)
                metadata = self.build(app, "--no-cache", "--threads", threads, env=env)
            finally:
                os.umask(before)
            digests.add(metadata["image.digest"])
        self.assertEqual(len(digests), 1)

    FILES = {
        "requirements.txt": "colorama==0.4.6\n./plugin\n-r more.txt\n",
        "more.txt": "markupsafe==2.1.5\nclick==8.1.7\n",
        "plugin/pyproject.toml": '[build-system]\nrequires = ["setuptools==75.8.0"]\n'
        'build-backend = "setuptools.build_meta"\n[project]\nname = "plugin"\nversion = "1.0"\n',
        "plugin/plugin.py": "x = {'a', 'b', 'c'}\n",
        "Procfile": "web: python app.py\n",
        "app.py": "import plugin\n",
        "assets/b.css": "b{}\n",
        "assets/a.css": "a{}\n",
        "assets/ä.css": "c{}\n",
        "app.json": '{"predeploy": "mkdir -p /opt/made && for n in c a b; do date > /dev/null; echo $n > /opt/made/$n; done"}',
    }

    def test_combinations(self):
        """umask × locale × time zone × threads; with each another directory, file order and state of the store."""
        self.build(self.make_app(self.FILES, "first"))  # makes the default base
        base = ("--base", "dash-build/base:bookworm")
        digests = {}
        combinations = itertools.product((0o022, 0o077), ("C", "C.UTF-8"), ("UTC", "Asia/Kathmandu"), ("1", "2", "8"))
        fresh = self.scratch / "fresh"
        for number, (umask, locale, zone, threads) in enumerate(combinations):
            words, store = [("--no-cache",), (), ()][number % 3], [SHARED_STORE, fresh, SHARED_STORE][number % 3]
            if store == fresh:  # only the base image and uv are there: packages and the plugin's build are not
                shutil.rmtree(fresh, ignore_errors=True)
                for part in ("layout", "tools"):
                    shutil.copytree(SHARED_STORE / part, fresh / part)
            before = os.umask(umask)
            try:
                names = sorted(self.FILES, reverse=number % 2 == 1)
                app = self.make_app({name: self.FILES[name] for name in names}, f"place-{number}/app")
                metadata = self.build(
                    app, "--threads", threads, *base, *words, store=store, env={"LC_ALL": locale, "TZ": zone}
                )
            finally:
                os.umask(before)
            digests.setdefault(metadata["image.digest"], []).append((oct(umask), locale, zone, threads, store.name))
        self.assertEqual(number, 23)
        self.assertEqual(len(digests), 1, digests)

    def test_other_store(self):
        """An empty store on another path, and another umask: the base image is bootstrapped again too."""
        app = self.copy_app("inventory")
        here = self.build(app)
        before = os.umask(0o077)
        try:
            there = self.build(app, store=self.scratch / "other store")
        finally:
            os.umask(before)
        for ours, theirs in zip(here["layers"], there["layers"]):
            self.assertEqual(ours, theirs)
        self.assertEqual(here["image.digest"], there["image.digest"])
        self.assertNotEqual(SHARED_STORE, self.scratch / "other store")


if __name__ == "__main__":
    unittest.main(verbosity=2)
