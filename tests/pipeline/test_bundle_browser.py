"""Pages of a bundle in a real browser: hostile words ask for nothing, and no script of them runs.

Every payload calls home when it is obeyed, to a server on loopback; a page without escapes shows
that the payloads would. A dialog would keep the browser from ending.
"""

import html
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.compare_text import compare
from pipeline.compare_text_page import render
from pipeline.evidence.bates import open_register
from pipeline.evidence.contents import contents
from pipeline.evidence.material import open_material
from tests.pipeline.tiny_run import OVERRIDE, options, planted

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="not installed: chromium")


class Home:
    """Counts who calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.port = 0

    def payloads(self) -> tuple[str, ...]:
        url = f"http://127.0.0.1:{self.port}"
        return (
            f"<script>fetch('{url}/script');alert(1)</script>",
            f"<img src={url}/img onerror=fetch('{url}/error')>",
            f"</bdi></title></style><style>@import '{url}/style';</style>{OVERRIDE}",
            f"<svg onload=fetch('{url}/svg')><iframe src={url}/frame></iframe>",
            f"\"' autofocus onfocus=fetch('{url}/focus') x=",
            f"<meta http-equiv=refresh content='0;url={url}/refresh'><base href={url}/>",
        )


@contextmanager
def listening() -> Iterator[Home]:
    home = Home()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            home.calls.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    home.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield home
    finally:
        server.shutdown()
        server.server_close()


def looked_at(pages: list[Path], folder: Path) -> str:
    """Open some pages side by side and return what the browser made of the frame around them."""
    frames = "".join(f'<iframe src="{html.escape(page.as_uri())}"></iframe>' for page in pages)
    frame = folder / "frame.html"
    frame.write_text(f"<!doctype html><title>frame</title>{frames}")
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"]
    command += [f"--user-data-dir={folder / 'profile'}", "--disable-background-networking"]
    command += ["--no-first-run", "--timeout=3000", "--dump-dom", frame.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=90)
    return done.stdout


def test_hostile_words_call_nobody(tmp_path: Path) -> None:
    with listening() as home:
        payloads = home.payloads()
        project = planted(tmp_path / "case", items=6, words=payloads)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        register = open_register(project.store.root, options().numbering)
        for name, raw in contents(open_material(project), register, options(), scratch):
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw if isinstance(raw, bytes) else raw.read_bytes())
        pages = [tmp_path / "data" / name for name in ("index.html", "report.html")]
        pages += (tmp_path / "data").glob("3_items/*/page.html")
        assert len(pages) == 8
        for name in ("output.txt", "work.txt"):
            (tmp_path / name).write_text("\n".join(payloads), encoding="utf-8")
        pages.append(tmp_path / "compared.html")
        compared = compare(tmp_path / "output.txt", tmp_path / "work.txt")
        pages[-1].write_text(render(compared), encoding="utf-8")
        assert "frame" in looked_at(pages, tmp_path)
        assert home.calls == []
        naked = tmp_path / "naked.html"
        # without the dialog, which would wait for somebody
        obeyed = "".join(payloads[:2]).replace("alert(1)", "")
        naked.write_text(f"<!doctype html><title>x</title>{obeyed}")
        looked_at([naked], tmp_path)
        assert {"/script", "/img"} <= set(home.calls)
