"""The `conda` of the stand-in Miniconda: the command line of conda that a build and people use, over py-rattler.

VERSION is replaced when the package is made. Before 4.7 answers in JSON name no URLs and digests; before 26.7 lines of
a file have their own grammar, where "name=1.0" is an exact version.
"""
import argparse
import asyncio
import datetime
import json
import os
import pathlib
import re
import sys

VERSION = "@VERSION@"
PREFIX = pathlib.Path(sys.prefix)


def version_key(text):
    return [int(part) for part in re.findall(r"\d+", text)]


def read_condarc(path):
    """Keys with a text or a list of texts: all of YAML that is needed."""
    out, key = {}, None
    if not path.is_file():
        return out
    for line in os.path.expandvars(path.read_text()).splitlines():
        line = line.split(" #")[0].rstrip()
        if line.lstrip().startswith("- ") and key:
            out.setdefault(key, []).append(line.lstrip()[2:].strip())
        elif ":" in line and not line.startswith("#"):
            key, value = line.split(":", 1)
            if value.strip():
                out[key] = value.strip()
    return out


def configuration():
    out = {}
    for path in (pathlib.Path("/etc/conda/.condarc"), PREFIX / ".condarc", pathlib.Path.home() / ".condarc"):
        out |= read_condarc(path)
    for key in ("channels", "pkgs_dirs"):
        if os.environ.get("CONDA_" + key.upper()):
            out[key] = os.environ["CONDA_" + key.upper()].split(",")
    return out


def channel_urls(options):
    config = configuration()
    names = list(options.channel)
    if not options.override_channels:
        names += config.get("channels", ["defaults"])
    alias = config.get("channel_alias", "https://conda.example/").rstrip("/")
    out = []
    for name in names:
        found = config.get("default_channels", [alias + "/pkgs/main"]) if name == "defaults" else [name]
        out += [url if "://" in url else f"{alias}/{url}" for url in found]
    return list(dict.fromkeys(out))


def installed():
    import rattler

    paths = sorted((PREFIX / "conda-meta").glob("*.json"))
    return {record.name.normalized: record for record in map(rattler.PrefixRecord.from_path, paths)}


def file_lines(path):
    return [re.split(r"(?<!\.conda)(?<!\.bz2)#", line)[0].strip() for line in pathlib.Path(path).read_text().splitlines()]


def channel_url(name):
    """Of a channel's name, with a platform perhaps: "main", "defaults/linux-64"."""
    config = configuration()
    name = name.removesuffix("/linux-64")
    alias = config.get("channel_alias", "https://conda.example/").rstrip("/")
    return config.get("default_channels", [alias + "/pkgs/main"])[0] if name == "defaults" else f"{alias}/{name}"


def spec_of_line(line):
    """What a line of a file asks for, and the channel that it names; conda before 26.7 has a rule of its own for these."""
    if package := re.fullmatch(r"(\w+://.*)/linux-64/(.*)-([^-]+)-([^-]+?)(?:\.tar\.bz2|\.conda)(?:#.*)?", line):
        channel, name, version, build = package.groups()
        return f"{name} =={version} {build}", channel
    channel, _, line = line.rpartition("::")
    url = channel_url(channel.lower() if is_old() else channel) if channel else None
    if not is_old():
        if re.fullmatch(r"[^=<>!~\[]+=[^=\[]*\|[^\[]*", line):  # py-rattler takes it
            raise Failure("InvalidMatchSpec", f"Invalid spec '{line}'")
        return line, url
    name, rest = re.fullmatch(r"([^=<>!\s]*)\s*(.*)", line).groups()
    name = name.lower()
    if not name or rest and rest[0] not in "=<>!":
        raise Failure("CondaValueError", f"could not parse '{line}' in: conda-requirements.txt")
    if "[" in name:  # the line is cut within the brackets, and what is left of them counts for nothing
        return name.split("[")[0], url
    if name.endswith("~"):
        raise Failure("PackagesNotFoundError", f"The following packages are not available from current channels: {name}{rest}")
    rest = rest.replace(" ", "")
    if re.match(r"=[^=]", rest):
        version, _, build = rest[1:].partition("=")
        return f"{name} {'' if '*' in version else '=='}{version} {build}".strip(), url
    if with_build := re.fullmatch(r"(.*[^<>!=~])=([^=]+)", rest):
        rest = " ".join(with_build.groups())
    return f"{name} {rest}".strip(), url


def is_old():
    return version_key(VERSION) < [26, 7]


def explicit_urls(lines):
    return [line for line in lines[lines.index("@EXPLICIT") + 1 :] if line] if "@EXPLICIT" in lines else None


class Failure(Exception):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


def gateway(options):
    import rattler
    from rattler.repo_data.gateway import SourceConfig

    action = "force-cache-only" if options.offline else "cache-or-fetch"
    package_dirs = configuration().get("pkgs_dirs", [str(PREFIX / "pkgs")])
    settings = SourceConfig(cache_action=action, zstd_enabled=False, bz2_enabled=False, sharded_enabled=False)
    return rattler.Gateway(cache_dir=pathlib.Path(package_dirs[0]) / "cache", default_config=settings)


async def solve(options, specs, have, more_channels=()):
    import rattler
    from rattler.exceptions import GatewayError, SolverError

    pinned = PREFIX / "conda-meta/pinned"
    constraints = [rattler.MatchSpec(line, strict=False) for line in file_lines(pinned) if line] if pinned.exists() else []
    wanted = [rattler.MatchSpec(text, strict=False) for text in specs]
    named = {spec.name.normalized for spec in wanted}
    wanted += [rattler.MatchSpec(name) for name in have if name not in named]
    try:
        return await rattler.solve(
            [rattler.Channel(url) for url in dict.fromkeys([*channel_urls(options), *more_channels])], wanted, gateway=gateway(options),
            platforms=["linux-64", "noarch"], locked_packages=list(have.values()), constraints=constraints,
            virtual_packages=rattler.VirtualPackage.detect())
    except SolverError as error:
        missing = "No candidates were found" in str(error)
        raise Failure("PackagesNotFoundError" if missing else "UnsatisfiableError", str(error)) from None
    except GatewayError as error:
        raise Failure("CondaHTTPError", str(error)) from None


def dist_of(record):
    return f"{record.name.normalized}-{record.version}-{record.build}"


def linked_as(record):
    """In what is linked and unlinked conda 4.5 has the channel's name instead of its URL."""
    if version_key(VERSION) >= [4, 6]:
        return described(record)
    base_url = record.url.rsplit("/", 2)[0]
    named = base_url in configuration().get("default_channels", [])
    return described(record) | {"base_url": None, "platform": None, "channel": "defaults" if named else base_url}


def described(record):
    base_url = record.url.rsplit("/", 2)[0]
    return {
        "base_url": base_url, "build_number": record.build_number, "build_string": str(record.build),
        "channel": base_url.rsplit("/", 1)[-1], "dist_name": dist_of(record), "name": record.name.normalized,
        "platform": str(record.subdir), "version": str(record.version),
    }


def fetched(record):
    if version_key(VERSION) < [4, 7]:
        return described(record)
    return {
        "build": str(record.build), "build_number": record.build_number, "channel": record.channel, "depends": record.depends,
        "constrains": record.constrains, "fn": record.file_name, "md5": record.md5.hex(), "name": record.name.normalized,
        "sha256": record.sha256.hex(), "size": record.size, "subdir": str(record.subdir), "url": record.url,
        "version": str(record.version), **({"noarch": "python"} if str(record.subdir) == "noarch" else {}),
    }


def write_history(specs, linked, unlinked):
    time = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {time} <==", "# cmd: conda " + " ".join(sys.argv[1:]), f"# conda version: {VERSION}"]
    lines += [f"-{dist_of(record)}" for record in unlinked] + [f"+{dist_of(record)}" for record in linked]
    with open(PREFIX / "conda-meta/history", "a") as file:
        file.write("\n".join([*lines, f"# update specs: {json.dumps(specs)}", ""]))


async def install(options):
    import rattler

    have = installed()
    specs, more_channels = list(options.specs), []
    for path in options.file:
        lines = file_lines(path)
        if (urls := explicit_urls(lines)) is not None:
            raise Failure("NotImplementedError", f"explicit files are not installed here: {len(urls)} URLs")
        found = [spec_of_line(line) for line in lines if line]
        more_channels += [url for _, url in found if url]
        specs += [f"{url}::{spec}" if url else spec for spec, url in found]
    records = await solve(options, specs, have, more_channels)
    same = {name for name, record in have.items() if any(dist_of(record) == dist_of(other) for other in records)}
    linked = [record for record in records if record.name.normalized not in same]
    names = {record.name.normalized for record in records}
    unlinked = [record for name, record in have.items() if name not in same]
    answer = {"success": True, "prefix": str(PREFIX)}
    if options.dry_run:
        answer["dry_run"] = True
    if linked or unlinked:
        answer["actions"] = {
            "FETCH": [fetched(record) for record in linked], "LINK": [linked_as(record) for record in linked],
            "PREFIX": str(PREFIX), "UNLINK": [linked_as(record) for record in unlinked]}
    else:
        answer["message"] = "All requested packages already installed."
    if (linked or unlinked) and not options.dry_run:
        final = [have[name] if name in same else next(r for r in records if r.name.normalized == name) for name in names]
        packages = configuration().get("pkgs_dirs", [str(PREFIX / "pkgs")])[0]
        await rattler.install(
            final, target_prefix=PREFIX, cache_dir=packages, show_progress=False, execute_link_scripts=True)
        write_history(specs, linked, unlinked)
    if options.json:
        print(json.dumps(answer, indent=2, sort_keys=True))
        if options.dry_run and version_key(VERSION) < [4, 6]:
            print(json.dumps({"exception_name": "DryRunExit", "message": "Dry run exiting"}, indent=2), file=sys.stderr)
    else:
        for sign, some in (("-", unlinked), ("+", linked)):
            for record in some:
                print(f"  {sign} {dist_of(record)}")


def list_packages(options):
    records = [json.loads(path.read_text()) for path in sorted((PREFIX / "conda-meta").glob("*.json"))]
    if options.json:
        print(json.dumps([{key: record[key] for key in ("name", "version", "build")} for record in records], indent=2))
        return
    print(f"# packages in environment at {PREFIX}:\n#")
    for record in records:
        print(f"{record['name']:<24} {record['version']:>14} {record['build']:>18}")


def config(options):
    if options.set:
        with open(PREFIX / ".condarc", "a") as file:
            file.write(f"{options.set[0]}: {options.set[1]}\n")
    if options.show is not None:
        print(json.dumps(configuration(), indent=2))


def parse():
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("--version", "-V", action="version", version=f"conda {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("install")
    command.add_argument("specs", nargs="*")
    command.add_argument("--file", action="append", default=[])
    command.add_argument("-c", "--channel", action="append", default=[])
    command.add_argument("-p", "--prefix")
    for flag in ("--override-channels", "--dry-run", "--json", "--yes", "--no-update-deps", "--offline", "--quiet"):
        command.add_argument(flag, action="store_true")
    command.add_argument("-y", dest="yes", action="store_true")
    command.add_argument("-v", "--verbose", action="count")
    command = commands.add_parser("list")
    command.add_argument("--json", action="store_true")
    command = commands.add_parser("config")
    command.add_argument("--set", nargs=2)
    command.add_argument("--show", nargs="*")
    command = commands.add_parser("clean")
    for flag in "ptayi":
        command.add_argument("-" + flag, action="store_true")
    command.add_argument("--yes", action="store_true")
    return parser.parse_args()


def main():
    options = parse()
    code = 0
    try:
        if options.command == "install":
            asyncio.run(install(options))
        elif options.command == "list":
            list_packages(options)
        elif options.command == "config":
            config(options)
    except Failure as failure:
        code = 1
        if options.json:
            answer = {"error": str(failure), "exception_name": failure.name, "message": str(failure), "success": False}
            print(json.dumps(answer, indent=2))
        else:
            print(f"{failure.name}: {failure}", file=sys.stderr)
    # py-rattler's threads may crash the interpreter when it ends in the usual way.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
