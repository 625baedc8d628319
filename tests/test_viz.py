"""kedro-viz draws every registered pipeline, opens in a browser, shows what is in the tables, and does not complain."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("kedro_viz")

ROOT = Path(__file__).parents[1]
LAYERS = ["raw", "records", "models", "synthetic", "arms", "reporting"]
PICTURE = b"\x89PNG\r\n\x1a\n"
REPORTING = "data/08_reporting"
NEEDS_CHROMIUM = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("viz")]


@dataclass(frozen=True)
class Site:
    """A copy of the project with a few tables, and what ``make site`` made and printed in it."""

    project: Path
    printed: str

    @property
    def build(self) -> Path:
        return self.project / "build"

    def drawn(self, pipeline: str = "__default__") -> dict[str, Any]:
        """Return what is drawn of a pipeline."""
        drawing: dict[str, Any] = json.loads((self.build / "api/pipelines" / pipeline).read_text(encoding="utf-8"))
        return drawing

    def id_of(self, name: str) -> str:
        (found,) = [node["id"] for node in self.drawn()["nodes"] if node["name"] == name]
        return str(found)

    def shown(self, name: str) -> Any:
        """Return the preview of a data set."""
        return json.loads((self.build / "api/nodes" / self.id_of(name)).read_text(encoding="utf-8"))["preview"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    project = tmp_path_factory.mktemp("viz") / "emotions"
    without = shutil.ignore_patterns("__pycache__", "local")
    for folder in ("conf", "src"):
        shutil.copytree(ROOT / folder, project / folder, ignore=without)
    for name in ("pyproject.toml", "Makefile", ".telemetry"):
        shutil.copy(ROOT / name, project)
    (project / "conf/local").mkdir()
    _fill(project)
    command = ["make", "--silent", "site", "READY=", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(command, cwd=project, env=_environment(project), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Site(project, done.stdout + done.stderr)


def _environment(project: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    return {**kept, "PYTHONPATH": str(project / "src")}


def _fill(project: Path) -> None:
    """Write what a run would have left."""
    records = pd.DataFrame({"record_id": ["diary:1"], "text": ["a kite over the harbour"], "label": ["joy"]})
    scores = pd.DataFrame({"experiment": ["augment"], "arm": ["real"], "metric": ["accuracy"], "value": [0.87654]})
    page = "<html><head><style>p {}</style></head><body><h1>Does it help?</h1>\n<p>per_label no_more</p></body></html>"
    split = project / "data/05_model_input/augment/split_records.parquet/2030-01-01T00.00.00.000Z/split_records.parquet"
    for folder in (split.parent, project / REPORTING / "results", project / REPORTING / "augment"):
        folder.mkdir(parents=True)
    records.to_parquet(split)
    scores.to_csv(project / REPORTING / "results/augment.csv", index=False)
    (project / REPORTING / "results/augment.png").write_bytes(PICTURE)
    (project / REPORTING / "augment/report.html").write_text(page, encoding="utf-8")


def test_every_pipeline_is_drawn_in_layers_without_warnings(site: Site) -> None:
    lines = [line for line in site.printed.replace("\r", "\n").splitlines() if not line.startswith("...Creating")]
    assert len(lines) == 2, lines
    assert "Success!" in lines[0]
    assert "--directory build" in lines[1]
    drawn = {file.name: site.drawn(file.name) for file in (site.build / "api/pipelines").iterdir()}
    assert {"augment", "augment_thirteen", "classification"} <= set(drawn)
    for name, pipeline in drawn.items():
        assert pipeline["nodes"], name
        # Where nothing connects layers, as in a stage alone, their order is nobody's.
        if {"ingest_sources", "write_report"} <= {node["name"] for node in pipeline["nodes"]}:
            present = {node.get("layer") for node in pipeline["nodes"]}
            assert [layer for layer in pipeline["layers"] if layer in present] == [
                layer for layer in LAYERS if layer in present
            ], name


def test_what_opens_first_fits_a_screen(site: Site) -> None:
    drawn = site.drawn()
    parameters = {node["id"] for node in drawn["nodes"] if node["type"] == "parameters"}
    shapes = {child["id"] for child in drawn["modular_pipelines"]["__root__"]["children"]} - parameters
    assert {"records", "generator", "classifier", "evaluation"} < shapes
    assert len(shapes) <= 30


def test_previews_show_texts_first_figures_plots_and_pages(site: Site) -> None:
    assert site.shown("split_records") == {
        "index": [0],
        "columns": ["text", "label", "record_id"],
        "data": [["a kite over the harbour", "joy", "diary:1"]],
    }
    assert site.shown("scores")["data"] == [["real", "accuracy", 0.8765, "augment"]]
    assert base64.b64decode(site.shown("accuracy_plot")) == PICTURE
    assert "<h1>Does it help?</h1>" in site.shown("report_page")
    assert "<style>" not in site.shown("report_page")
    assert site.shown("summary") is None


def test_the_page_says_nothing_of_the_machine(site: Site) -> None:
    secrets = [str(place).encode() for place in (site.project, ROOT, Path.home(), sys.prefix) if place != Path("/")]
    files = [file for file in site.build.rglob("*") if file.is_file()]
    assert len(files) > 100
    telling = {str(file): place for file in files for place in secrets if place in file.read_bytes()}
    assert telling == {}
    assert [
        file for file in (site.build / "api").rglob("*") if file.is_file() and b'path": "/' in file.read_bytes()
    ] == []


@pytest.fixture
def served(site: Site) -> Iterator[str]:
    """The address at which the static page is."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(site.build))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _opened(address: str, profile: Path) -> str:
    """Return what a browser that reaches no other machine has drawn."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--window-size=1440,900"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run(["chromium", *options, address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _check(page: str) -> None:
    for name in ("split_records", "candidates", "classifier", "report_page"):
        assert f">{name}<" in page, name
    header, _, rows = page.partition('class="preview-table__row-header"')[2].partition("</tr>")
    assert header.index(">text<") < header.index(">label<") < header.index(">record_id<")
    assert ">a kite over the harbour<" in rows


@NEEDS_CHROMIUM
def test_the_static_page_opens(site: Site, served: str, tmp_path: Path) -> None:
    _check(_opened(f"{served}/?pid=__default__&sid={site.id_of('split_records')}", tmp_path))


@NEEDS_CHROMIUM
def test_the_server_opens_and_says_where(site: Site, tmp_path: Path) -> None:
    # Below those that the system gives to who connects: waiting for one of these may meet itself.
    port = next(port for port in range(18_410, 19_000) if _is_free(port))
    address = f"http://127.0.0.1:{port}/"
    words = ["viz", "run", "--no-browser", "--pipeline=__default__", f"--port={port}"]
    printed = tmp_path / "printed.txt"
    with printed.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "kedro", *words],
            cwd=site.project,
            env=_environment(site.project),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"{address}api/main", server)
        _check(_opened(f"{address}?pid=__default__&sid={site.id_of('split_records')}", tmp_path / "profile"))
    finally:
        # With the server proper, which is a child of the command.
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    said = [line for line in printed.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert [line.split()[0] for line in said if "running at" not in line] == ["INFO:", "Starting", "Kedro", address], (
        said
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=30).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail("kedro-viz did not start")
