#!/usr/bin/env python3
"""Serves a directory of wheels as a package index (PEP 503) on loopback: simple_index.py DIRECTORY PORT."""
import hashlib
import html
import http.server
import pathlib
import re
import sys


def make_handler(directory):
    projects = {}
    for file in sorted(pathlib.Path(directory).iterdir()):
        name = re.sub(r"[-_.]+", "-", file.name.split("-")[0]).lower()
        projects.setdefault(name, []).append((file.name, hashlib.sha256(file.read_bytes()).hexdigest()))

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=directory, **options)

        def do_GET(self):
            project = re.fullmatch(r"/simple/([^/]+)/", self.path)
            if not project:
                return super().do_GET()
            links = "".join(
                f'<a href="/{html.escape(name)}#sha256={digest}">{html.escape(name)}</a>\n'
                for name, digest in projects.get(project[1], [])
            ).encode()
            self.send_response(200 if links else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(links)))
            self.end_headers()
            self.wfile.write(links)

        def log_message(self, *_):
            pass

    return Handler


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), make_handler(sys.argv[1])).serve_forever()
