#!/usr/bin/env python3
"""Fails when a folder includes what its place in the house does not allow (docs/architecture.md, "The house")."""
import pathlib
import re
import sys

ALLOWED = {
    "base": {"base"},
    "oci": {"base", "oci"},
    "registry": {"base", "oci", "registry"},
    "builder": {"base", "oci", "builder"},
    "runtime": {"base", "oci", "runtime"},
    "cli": {"base", "oci", "registry", "builder", "runtime", "cli"},
}
# Third-party headers by the folders whose .cpp files may see them.
THIRD_PARTY = {
    r"<curl/": {"registry"},
    r"<archive": {"base"},
    r"<openssl/": {"base"},
    r"<zstd": {"oci"},
    r"<libdeflate": {"oci", "builder"},
    r"<toml\+\+/": {"builder"},
    r"<CLI/": {"cli"},
    r"<nlohmann/": {"oci", "registry", "builder", "runtime", "cli"},
}
HEADERS_MAY_SEE = {"boost/filesystem/path.hpp", "boost/filesystem/operations.hpp"}

root = pathlib.Path(__file__).resolve().parent.parent
faults = []
edges = 0
for folder, allowed in ALLOWED.items():
    for file in sorted((root / folder).rglob("*.[ch]pp")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            where = f"{file.relative_to(root)}:{number}"
            own = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if own:
                edges += 1
                if own[1] not in allowed:
                    faults.append(f"{where}: {folder}/ must not include {own[1]}/")
            for pattern, folders in THIRD_PARTY.items():
                if re.match(r"\s*#\s*include\s+" + pattern, line):
                    if folder not in folders:
                        faults.append(f"{where}: {line.strip()} belongs in {', '.join(sorted(folders))}")
                    if file.suffix == ".hpp":
                        faults.append(f"{where}: third-party headers stay in .cpp files")
            boost = re.match(r"\s*#\s*include\s+<(boost/[^>]+)>", line)
            if boost and file.suffix == ".hpp" and boost[1] not in HEADERS_MAY_SEE:
                faults.append(f"{where}: third-party headers stay in .cpp files")
            if folder != "cli" and re.search(r"\b(getenv|setlocale|chdir)\s*\(", line) and "//" not in line.split("(")[0]:
                if not (file.name == "process.cpp" and "chdir" in line):
                    faults.append(f"{where}: process-wide state belongs in cli/")

print(f"{edges} includes checked")
if edges < 20:
    faults.append("hardly any includes found: is the test looking at the right place?")
print("\n".join(faults))
sys.exit(1 if faults else 0)
