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
    r"<bzlib": {"base"},
    r"<openssl/": {"base"},
    r"<zstd": {"oci"},
    r"<libdeflate": {"oci", "builder"},
    r"<toml\+\+/": {"builder", "registry", "cli"},
    r"<CLI/": {"cli"},
    r"<nlohmann/": {"oci", "registry", "builder", "runtime", "cli"},
}
# State of the whole process: other threads would see it change, or results would depend on it.
PROCESS_WIDE = re.compile(r"(?:::)?\b(?:getenv|setlocale|chdir)\s*\((?:[^()]|\([^()]*\))*\)?")
# These run between fork and exec, in a child that has one thread and nothing but its own program to start.
IN_A_CHILD = {
    ("base/process.cpp", "::chdir(side.options.directory.c_str())"),
    ("builder/sandbox/oci_sandbox.cpp", "::chdir(base_.c_str())"),
    ("builder/sandbox/oci_sandbox.cpp", '::chdir("/")'),
}
HEADERS_MAY_SEE = {"boost/filesystem/path.hpp", "boost/filesystem/operations.hpp"}

root = pathlib.Path(__file__).resolve().parent.parent
faults = []
edges = 0
found_in_child = set()
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
            for call in PROCESS_WIDE.findall(line.split("//")[0]) if folder != "cli" else []:
                place = (str(file.relative_to(root)), call)
                if place in IN_A_CHILD:
                    found_in_child.add(place)
                else:
                    faults.append(f"{where}: {call}: process-wide state belongs in cli/")
for file, call in sorted(IN_A_CHILD - found_in_child):
    faults.append(f"{file} has no {call} any more: remove it from IN_A_CHILD")

print(f"{edges} includes checked")
if edges < 20:
    faults.append("hardly any includes found: is the test looking at the right place?")
print("\n".join(faults))
sys.exit(1 if faults else 0)
