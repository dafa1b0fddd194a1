#!/usr/bin/env python3
"""Makes wheels with what published ones rarely have: odd_wheels.py DIRECTORY.

DIRECTORY/accepted/*.whl are all of a different project, DIRECTORY/clashing/*.whl have files of the same paths;
DIRECTORY/refused/CASE/*.whl are broken, one each.
"""

import base64
import hashlib
import io
import pathlib
import stat
import struct
import sys
import zipfile

FILE = stat.S_IFREG | 0o644
PROGRAM = stat.S_IFREG | 0o755


class Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)

    def close(self):
        self.file.close()
        super().close()


def row(path, content, algorithm="sha256"):
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    quoted = '"' + path.replace('"', '""') + '"' if set(path) & set(',"\r\n') else path
    return f"{quoted},{algorithm}={digest},{len(content)}"


class Wheel:
    def __init__(self, name, version="1.0", tag="py3-none-any", info=None, title=None):
        self.file = f"{name}-{version}-{tag}.whl"
        self.info = info or f"{name}-{version}.dist-info"
        self.data = f"{name}-{version}.data"
        self.entries = []  # (path, content, mode, compression, system)
        self.metadata = f"Metadata-Version: 2.1\nName: {title or name}\nVersion: {version}\n"
        self.wheel = f"Wheel-Version: 1.0\nGenerator: odd\nRoot-Is-Purelib: true\nTag: {tag}\n"
        self.rows = None  # of RECORD: the right ones, or these
        self.line_end = "\n"
        self.comment = b""
        self.stream = False

    def add(self, path, content="", mode=FILE, compression=zipfile.ZIP_DEFLATED, system=3):
        content = content if isinstance(content, bytes) else content.encode()
        self.entries.append((path, content, mode, compression, system))
        return self

    def entry_points(self, text):
        return self.add(f"{self.info}/entry_points.txt", text)

    def all_entries(self):
        entries = list(self.entries)
        if self.metadata is not None:
            entries.append((f"{self.info}/METADATA", self.metadata.encode(), FILE, zipfile.ZIP_DEFLATED, 3))
        if self.wheel is not None:
            entries.append((f"{self.info}/WHEEL", self.wheel.encode(), FILE, zipfile.ZIP_DEFLATED, 3))
        rows = self.rows
        if rows is None:
            rows = [row(path, content) for path, content, *_ in entries if not path.endswith("/")]
            rows.append(f"{self.info}/RECORD,,")
        if rows is not False:
            record = "".join(line + self.line_end for line in rows)
            entries.append((f"{self.info}/RECORD", record.encode(), FILE, zipfile.ZIP_DEFLATED, 3))
        return entries

    def write(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / self.file
        target = Unseekable(path) if self.stream else path
        with zipfile.ZipFile(target, "w") as archive:
            archive.comment = self.comment
            for name, content, mode, compression, system in self.all_entries():
                info = zipfile.ZipInfo(name)
                info.compress_type = compression
                info.create_system = system
                info.external_attr = mode << 16
                archive.writestr(info, content)
        if self.stream:
            target.close()
        return path


def accepted(out):
    names = Wheel("odd_names")
    for name in ("naïve.py", "日本語.txt", "nai\u0308ve.py", "a b.py", 'comma,"quote".py', "Case.py", "case.py", "CASE.PY",
                 "back\\slash.txt", "-rf.txt", " lead", "trail ", "dot.", ".hidden", "%41.txt", "💥.py", "~.txt"):
        names.add(f"odd_names/{name}", f"# {name}\n")
    for top in ("odd_top_a/x.py", "odd_top_b/deep/er/y.py", "odd_top_module.py", "odd_top_data.txt", "odd.d/z"):
        names.add(top, f"# {top}\n")
    names.write(out)

    long = Wheel("odd_long")
    long.add("odd_long/" + "/".join("d%02d" % i + "x" * 90 for i in range(30)) + "/deep.py", "x = 1\n")
    long.add("odd_long/" + "n" * 255, "long component")
    long.add("odd_long/" + "ü" * 127, "long component in bytes")
    long.write(out)

    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 5
    Wheel("odd_zip64").add("odd_zip64/__init__.py", "x = 1\n" * 100).add("odd_zip64/e.txt").write(out)
    zipfile.ZIP64_LIMIT = limit

    stream = Wheel("odd_stream").add("odd_stream/__init__.py", "x = 1\n").add("odd_stream/e.txt")
    stream.add("odd_stream/stored.txt", "stored", compression=zipfile.ZIP_STORED)
    stream.stream = True
    stream.write(out)

    folders = Wheel("odd_folders")
    for name in ("odd_folders/", "odd_folders/empty/", f"{folders.data}/", f"{folders.data}/data/",
                 f"{folders.data}/data/share/odd-empty/"):
        folders.add(name, mode=stat.S_IFDIR | 0o700)
    folders.add("odd_folders/x.py", "x = 1\n").add("odd_folders/empty.py").add("odd_folders/stored.py", "y = 2\n",
                                                                               compression=zipfile.ZIP_STORED)
    folders.comment = b"a comment"
    folders.write(out)

    modes = Wheel("odd_modes")
    modes.add("odd_modes/link", "target", stat.S_IFLNK | 0o777).add("odd_modes/suid", "s", stat.S_IFREG | 0o6755)
    modes.add("odd_modes/x-only", "x", stat.S_IFREG | 0o111).add("odd_modes/private", "p", stat.S_IFREG | 0o600)
    modes.add("odd_modes/group-x", "g", stat.S_IFREG | 0o654).add("odd_modes/read-only", "r", stat.S_IFREG | 0o444)
    modes.add("odd_modes/none", "n", 0).add("odd_modes/no-type", "t", 0o755).add("odd_modes/fat", "f", 0, system=0)
    modes.add("odd_modes/fat-x", "f", PROGRAM, system=0).add("odd_modes/fifo", "f", stat.S_IFIFO | 0o755)
    modes.add("odd_modes/run.py", "#!/usr/bin/env python\n", PROGRAM)
    modes.add(f"{modes.data}/data/bin/odd-program", "#!/bin/sh\n", PROGRAM)
    modes.add(f"{modes.data}/data/bin/odd-text", "text")
    modes.write(out)

    crlf = Wheel("odd_crlf").add("odd_crlf.py", "x = 1\r\n")
    crlf.line_end = "\r\n"
    crlf.write(out)

    record = Wheel("odd_record").add("odd_record/a.py", "a").add("odd_record/b.py", "b").add("odd_record/c.txt", "c")
    record.add("odd_record/unlisted.py", "u = 1\n").add("odd_record/sha512.txt", "5")
    record.add(f"{record.info}/RECORD.jws", "{}").add(f"{record.info}/RECORD.p7s", "p")
    record.rows = [
        row("odd_record/a.py", b"a"),
        row("odd_record/a.py", b"a"),
        row("odd_record/b.py", b"b") + "==",
        row("odd_record/b.py", b"b").rsplit(",", 1)[0] + ",",
        "odd_record/c.txt,,",
        "odd_record/gone.txt,sha256=AAAA,7",
        row("odd_record/sha512.txt", b"5", "sha512"),
        f"{record.info}/METADATA",
        f"{record.info}/WHEEL,",
        f"{record.info}/INSTALLER,sha256=AAAA,3",
        f"{record.info}/RECORD.jws,,",
        f"{record.info}/RECORD,,",
    ]
    record.add(f"{record.info}/INSTALLER", "odd").write(out)

    size = Wheel("odd_size").add("odd_size.py", "x")
    size.rows = [row("odd_size.py", b"x").rsplit(",", 1)[0] + ",99", f"{size.info}/RECORD,,"]
    size.write(out)

    scripts = Wheel("odd_scripts")
    for name, content in {
        "odd-python": "#!python\nprint(1)\n",
        "odd-pythonw": "#!pythonw\nprint(1)\n",
        "odd-options": "#!python3 -u -x\nprint(1)\n",
        "odd-crlf": "#!python\r\nprint(1)\r\n",
        "odd-unended": "#!python",
        "odd-space": "#! python\nprint(1)\n",
        "odd-absolute": "#!/usr/bin/python\nprint(1)\n",
        "odd-sh": "#!/bin/sh\nexit 0\n",
        "odd-binary": b"\x7fELF\x00\xff",
        "odd-empty": "",
        "odd-module.py": "#!/usr/bin/env python\nprint(1)\n",
        "odd-changed.py": "#!python\nprint(1)\n",
        "odd-nested/odd-inner": "#!python\nprint(1)\n",
        "ödd": "#!python\nprint('ö')\n",
        "odd-run": "a wrapper of setuptools",
        "odd-run.exe": "a wrapper of setuptools",
        "odd-run-script.py": "a wrapper of setuptools",
        "odd-gui.EXE": "a wrapper of setuptools",
        "odd-run.py": "print('not a wrapper')\n",
    }.items():
        scripts.add(f"{scripts.data}/scripts/{name}", content)
    scripts.entry_points("[console_scripts]\nodd-run = odd_scripts:main\n[gui_scripts]\nodd-gui = odd_scripts:main\n")
    scripts.add("odd_scripts.py", "def main(): pass\n").write(out)

    entries = Wheel("odd_entries").add("odd_entries.py", "def main(): pass\n")
    entries.entry_points(
        "# comment\n\n[console_scripts]\n  odd-a = odd_entries:main\nodd-b=odd_entries:main [extra]\n"
        "odd-d = odd_entries.sub:Class.method [one,two]\nodd-rest = odd_entries:main ; rest\n"
        "odd-twice = odd_entries:first\n"
        "Odd.Upper_1 = odd_entries:main\nodd-twice = odd_entries:second\nodd-both = odd_entries:console\n"
        "\n[other.group]\nnothing = odd_entries\n[gui_scripts]\nodd-g = odd_entries:main\nodd-both = odd_entries:gui\n"
        "[console_scripts]\nodd-again = odd_entries:main\n"
    )
    entries.write(out)

    # The file's name, the directory's and METADATA's are three spellings of one name.
    spelling = Wheel("Odd_Spelling.X", info="odd_spelling.X-1.0.dist-info", title="ODD-Spelling_x")
    spelling.data = "whatever.data"
    spelling.add("odd_spelling.py").add("whatever.data/headers/odd.h", "#define ODD\n")
    spelling.add("whatever.data/headers/sub/odd.h", "#define ODD\n").add("whatever.data/purelib/odd_pure.py", "p = 1\n")
    spelling.write(out)

    platform = Wheel("odd_platform", version="1.0+local.1", tag="1build-cp311-abi3-linux_x86_64",
                     info="odd_platform-1.0+local.1.dist-info")
    platform.data = "odd_platform-1.0+local.1.data"
    platform.wheel = platform.wheel.replace("Purelib: true", "Purelib: false")
    platform.add("odd_platform/a.so", "root", PROGRAM).add("odd_platform/twice.py", "root = 1\n")
    platform.add(f"{platform.data}/platlib/odd_platform/twice.py", "platlib = 1\n")
    platform.add(f"{platform.data}/purelib/odd_platform/pure.py", "pure = 1\n")
    platform.add(f"{platform.data}/data/lib/python3.11/site-packages/odd_by_data.py", "data = 1\n")
    platform.add(f"{platform.data}/data/lib64/odd64.txt", "lib64").write(out)

    compiled = Wheel("odd_compiled").add("odd_compiled/bad.py", "def (\n").add("odd_compiled/latin.py",
                                                                               b"# coding: latin-1\nx = '\xe4'\n")
    compiled.add("odd_compiled/bom.py", b"\xef\xbb\xbfx = 1\n").add("odd_compiled/zero.py", b"x = 1\0\n")
    compiled.add("odd_compiled/good.py", "x = 1\n").add("odd_compiled/undecodable.py", b"x = '\xff'\n")
    compiled.add("odd_compiled/__pycache__/good.cpython-311.pyc", "stale").add("odd_compiled/legacy.pyc", "legacy")
    compiled.add("odd_compiled/__pycache__/gone.cpython-39.pyc", "another interpreter").write(out)

    Wheel("odd_nothing").write(out)
    version = Wheel("odd_version").add("odd_version.py")
    version.metadata = version.metadata.replace("1.0", "1.0.0")
    version.write(out)
    quote = Wheel("odd_quote").add("odd_quote.py", "x").add("odd_quote.txt", "x")
    quote.rows = [row("odd_quote.py", b"x"), '"odd_quote.txt,,', f"{quote.info}/METADATA,,"]
    quote.write(out)
    minor = Wheel("odd_minor").add("odd_minor.py")
    minor.wheel = minor.wheel.replace("Version: 1.0", "Version: 1.9")
    minor.write(out)
    # Namespace packages: without __init__.py, with one that extends the path in each, and by .pth file.
    space = Wheel("odd_space_a").add("odd_space/a.py").add("odd_old/a/__init__.py", "")
    space.add("odd_a-nspkg.pth", "import sys\n").write(out)
    Wheel("odd_space_b").add("odd_space/b.py").add("odd_old/b/__init__.py", "").write(out)


def clashing(out):
    for name in ("clash_a", "clash_b"):
        wheel = Wheel(name).add("clash/__init__.py", f"owner = '{name}'\n").add(f"clash/{name}.py", "x = 1\n")
        wheel.add("clash/equal.py", "# the same in both: nothing to say\n")
        wheel.add(f"{wheel.data}/data/share/clash.txt", name)
        wheel.entry_points(f"[console_scripts]\nclash-run = clash.{name}:main\n").write(out)
    Wheel("clash_c").add("clash/__init__.py", "# the last name is the first of those that need nothing\n").write(out)
    needs = Wheel("clash_needs_a").add("clash/__init__.py", "# installed after what it needs\n")
    needs.metadata += "Requires-Dist: Clash-A (>=1.0)\nRequires-Dist: not-there; extra == 'x'\n"
    needs.write(out)


def change_field(path, signature, offset, form, value, name=None):
    """Overwrites a field of the (first or named) record with this signature."""
    data = bytearray(path.read_bytes())
    at = data.find(signature)
    header = 46 if signature == b"PK\1\2" else 30
    while name is not None and not data[at + header:].startswith(name.encode()):
        at = data.find(signature, at + 1)
    struct.pack_into(form, data, at + offset, value)
    path.write_bytes(data)


def refused(out):
    def case(name, project="bad"):
        wheel = Wheel(project)
        wheel.directory = out / name
        return wheel

    def write(wheel):
        return wheel.write(wheel.directory)

    write(case("parent").add("../evil.py", "x"))
    write(case("parent-inside").add("a/../../evil.py", "x"))
    write(case("absolute").add("/tmp/dash-evil.py", "x"))
    inside = case("parent-of-scheme")
    write(inside.add(f"{inside.data}/data/../../evil.py", "x"))
    scheme = case("unknown-scheme")
    write(scheme.add(f"{scheme.data}/etc/x", "x"))
    loose = case("loose-data")
    write(loose.add(f"{loose.data}/x", "x"))

    for part in ("METADATA", "WHEEL", "RECORD"):
        wheel = case(f"no-{part.lower()}")
        if part == "RECORD":
            wheel.rows = False
        else:
            setattr(wheel, part.lower(), None)
        write(wheel)
    version = case("wheel-version-2")
    version.wheel = "Wheel-Version: 2.0\n"
    write(version)
    for name, text in (("wheel-version-none", "Root-Is-Purelib: true\n"), ("wheel-version-text", "Wheel-Version: one\n")):
        version = case(name)
        version.wheel = text
        write(version)

    wrong = case("hash-mismatch").add("bad.py", "x")
    wrong.rows = [row("bad.py", b"y"), f"{wrong.info}/RECORD,,"]
    write(wrong)

    write(case("two-dist-infos").add("other-1.0.dist-info/METADATA", "Name: other\n"))
    none = case("no-dist-info")
    none.info = "bad-1.0.info"
    write(none)
    other = case("name-mismatch")
    other.info = "other-1.0.dist-info"
    write(other)
    other = case("metadata-name")
    other.metadata = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    write(other)
    write(case("no-function").entry_points("[console_scripts]\nx = bad\n"))
    write(case("script-outside").entry_points("[console_scripts]\n../../x = bad:main\n"))
    write(case("script-two-colons").entry_points("[console_scripts]\nx = bad:main:again\n"))
    write(case("script-open-extras").entry_points("[console_scripts]\nx = bad:main [extra\n"))
    write(case("script-no-value").entry_points("[console_scripts]\nx\n"))

    path = write(case("encrypted").add("bad.py", "x"))
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        change_field(path, signature, offset, "<H", 1, "bad.py")
    write(case("method-bzip2").add("bad.py", "x", compression=zipfile.ZIP_BZIP2))
    path = write(case("method-unknown").add("bad.py", "x"))
    for signature, offset in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
        change_field(path, signature, offset, "<H", 97, "bad.py")
    path = write(case("crc").add("bad.py", "x"))
    change_field(path, b"PK\1\2", 16, "<I", 1, "bad.py")
    path = write(case("ratio").add("bad.py", "x" * 10))
    change_field(path, b"PK\1\2", 24, "<I", 0x7FFFFFFF, "bad.py")
    path = write(case("overlap").add("bad_a.py", "x" * 10).add("bad_b.py", "x" * 10))
    change_field(path, b"PK\1\2", 42, "<I", 0, "bad_b.py")
    path = write(case("truncated").add("bad.py", "x" * 1000, compression=zipfile.ZIP_STORED))
    path.write_bytes(path.read_bytes()[:700])
    path = write(case("head-cut").add("bad.py", "x" * 1000, compression=zipfile.ZIP_STORED))
    path.write_bytes(path.read_bytes()[500:])
    path = write(case("not-zip"))
    path.write_bytes(b"<html>" + b" " * 100)
    path = write(case("non-utf8").add("bad_é.py", "x"))
    path.write_bytes(path.read_bytes().replace("bad_é".encode(), b"bad_\xc3\x28"))
    # Without the UTF-8 flag the name is in code page 437.
    path = write(case("code-page").add("bad_é.py", "x"))
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        change_field(path, signature, offset, "<H", 0, "bad_é.py")
    path.write_bytes(path.read_bytes().replace("bad_é".encode(), b"bad_\x82x"))
    for part in ("METADATA", "WHEEL"):
        wheel = case(f"{part.lower()}-not-utf8")
        wheel.add(f"{wheel.info}/{part}", getattr(wheel, part.lower()).encode() + b"X: \xff\n")
        setattr(wheel, part.lower(), None)
        write(wheel)
    path = write(case("zero-byte").add("bad_0.py", "x"))
    path.write_bytes(path.read_bytes().replace(b"bad_0.py", b"bad_\0.py"))
    path = write(case("twice").add("bad_1.py", "x").add("bad_2.py", "y"))
    path.write_bytes(path.read_bytes().replace(b"bad_2.py", b"bad_1.py"))
    write(case("file-and-directory").add("bad", "x").add("bad/x.py", "x"))


def main():
    base = pathlib.Path(sys.argv[1])
    accepted(base / "accepted")
    clashing(base / "clashing")
    refused(base / "refused")


main()
