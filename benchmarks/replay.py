#!/usr/bin/env python3
"""Replays the history of a set of requirements: what each state sends to a registry that has all states before.

replay.py OUT.svg [--states N] [--packages dash,pandas,…]. State by state, a month apart, uv says what the newest releases were at
that date; the app with these pins is built into one store. "By package" are the bytes of layers that no state before had; "whole
layer" is what a builder sends whose layer is the whole environment: all of it, whenever anything in it changed. Writes the
figure, and its numbers beside it as OUT.tsv. Needs the network once, and no registry: layers are counted by digest.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("DASH_BUILD", str(ROOT / "build/release/bin/dash-build"))
LAB = pathlib.Path(os.environ.get("BENCH_DIR", "/var/tmp/dash-bench"))
PACKAGES = "dash,pandas,gunicorn,flask-caching,dash-bootstrap-components,sqlalchemy,requests,scikit-learn,pyarrow,redis"


def dates(count):
    last = datetime.date(2026, 6, 1)
    for back in range(count - 1, -1, -1):
        month = last.year * 12 + last.month - 1 - back
        yield datetime.date(month // 12, month % 12 + 1, 1)


def pins(uv, packages, date):
    out = subprocess.run(
        [uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.11", "--python-platform",
         "x86_64-manylinux_2_28", "--only-binary", ":all:", "--exclude-newer", date.isoformat()],
        input="\n".join(packages), text=True, capture_output=True, check=True,
    )
    return sorted(out.stdout.split())


def build(store, lines):
    with tempfile.TemporaryDirectory() as scratch:
        app = pathlib.Path(scratch) / "app"
        app.mkdir()
        (app / "requirements.txt").write_text("\n".join(lines) + "\n")
        (app / "Procfile").write_text("web: python app.py\n")
        (app / "app.py").write_text("")
        metadata = pathlib.Path(scratch) / "metadata.json"
        subprocess.run(
            [PROGRAM, "build", app, "-t", "replay", "--progress", "quiet", "--metadata-file", metadata],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DASH_BUILD_HOME": str(store)},
        )
        return [layer for layer in json.loads(metadata.read_text())["layers"] if layer["step"] == "python-packages"]


def figure(rows, path):
    """Bars of what each state sends, and both sums as lines of text."""
    width, height, left, bottom = 900, 360, 60, 60
    most = max(row["whole"] for row in rows)
    step = (width - left - 20) / len(rows)
    y = lambda value: height - bottom - value / most * (height - bottom - 40)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in range(0, int(most / 1e6) + 1, 25):
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(tick * 1e6):.1f}" y2="{y(tick * 1e6):.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y(tick * 1e6) + 4:.1f}" text-anchor="end">{tick}</text>')
    for i, row in enumerate(rows):
        x = left + i * step
        for offset, key, colour in (0.1, "whole", "#c8c8c8"), (0.5, "sent", "#1f77b4"):
            parts.append(f'<rect x="{x + offset * step:.1f}" y="{y(row[key]):.1f}" width="{0.38 * step:.1f}" '
                         f'height="{max(0.0, height - bottom - y(row[key])):.1f}" fill="{colour}"/>')
        if i % 3 == 0:
            parts.append(f'<text x="{x + step / 2:.1f}" y="{height - bottom + 16}" text-anchor="middle">{row["date"][:7]}</text>')
    sums = {key: sum(row[key] for row in rows[1:]) / 1e6 for key in ("whole", "sent")}
    parts.append(f'<text x="{left}" y="20">MB sent per state. Grey: the environment is one layer, {sums["whole"]:.0f} MB after the first '
                 f'state. Blue: layers by package, {sums["sent"]:.0f} MB.</text></svg>')
    path.write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--states", type=int, default=30)
    parser.add_argument("--packages", default=PACKAGES)
    parser.add_argument("--uv", default="uv")
    options = parser.parse_args()
    store = LAB / "replay"
    known, before, rows = set(), None, []
    for date in dates(options.states):
        lines = pins(options.uv, options.packages.split(","), date)
        made = build(store, lines)
        total = sum(layer["size"] for layer in made)
        new = {layer["digest"]: layer["size"] for layer in made if layer["digest"] not in known}
        known |= new.keys()
        changed = len(set(lines) - set(before or []))
        rows.append({"date": date.isoformat(), "changed": changed, "layers": len(made), "sent": sum(new.values()),
                     "whole": total if lines != before else 0})
        before = lines
        print("{date} {changed:3} pins changed, {layers} layers: {sent:>11,} bytes by package, {whole:>11,} whole".format(**rows[-1]),
              flush=True)
    figure(rows, options.out)
    columns = list(rows[0])
    options.out.with_suffix(".tsv").write_text(
        "\n".join("\t".join(str(value) for value in line) for line in [columns, *([row[c] for c in columns] for row in rows)]) + "\n")


if __name__ == "__main__":
    main()
