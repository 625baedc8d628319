"""``emotion app``: a page on this machine to try models, compare experiments and review texts (needs gradio)."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import click

from emotion_kedro.app.own_table import tab
from emotion_kedro.app.page import reviews, views

HOSTS = ["127.0.0.1", "localhost"]
"""What the page may be called by: a site elsewhere whose name leads here is refused."""
READING = {"GET", "HEAD"}
"""What another site in the same browser may ask for: its answers are kept from it."""
LARGEST_TABLE = "1gb"
LOOKED_AFTER, KEPT = 3600, 86400
"""Seconds: so often gradio's own copies of what was dropped are looked after, and so long they are kept."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
"""The browser loads nothing from elsewhere, and sends nothing there."""
CSS = """
.gradio-container {width: 100%; max-width: min(1120px, 100vw) !important; margin: 0 auto !important}
.gradio-container :is(main, div) {min-width: 0}
.gradio-container p a {padding: 0}
.gradio-container h3 {margin: 1.4em 0 .3em; font-size: 1.05em}
.note {opacity: .75; margin: .3em 0}
.figure {font-variant-numeric: tabular-nums; white-space: nowrap}
.gradio-container table.own {border: none !important; border-collapse: collapse; margin: .3em 0}
.gradio-container table.own :is(tr, th, td) {border: none; text-align: left; vertical-align: top}
.gradio-container table.own :is(th, td) {padding: .3em 1em .3em 0; border-bottom: 1px solid var(--border-color-primary)}
@media (max-width: 700px) { /* gradio splits what stands here at each comma, and puts its own class before it */
  table.rows, table.rows tbody, table.rows tr {display: block !important}
  table.rows tr:first-child {display: none !important}
  table.rows tr {border-bottom: 1px solid var(--border-color-primary) !important; padding: .5em 0}
  table.rows td {display: flex; border: none !important; padding: .1em 0 !important; overflow-wrap: anywhere}
  .tab-container button {padding: 0 .5em !important; font-size: .9em}
  table.rows td::before {content: attr(data-name); flex: 0 0 9em; opacity: .75}
}
.gradio-container pre {white-space: pre-wrap; overflow-wrap: anywhere}
.lines textarea {font-family: var(--font-mono); font-size: .85em}
.gradio-container table.bars {width: 100%}
.gradio-container table.bars :is(th, td) {border: none; vertical-align: middle; width: 1%}
.gradio-container table.bars .bar {width: 98%}
.bar div {height: 1em; min-width: 2px; border-radius: 3px; background: var(--color-accent)}
.words {line-height: 2; font-size: 1.1em; overflow-wrap: anywhere}
.words span {padding: .15em .3em; border-radius: 4px}
ul.cards {list-style: none; padding: 0}
ul.cards li {margin: .5em 0; padding: .5em .8em; border-left: 4px solid #d73027; overflow-wrap: anywhere;
  background: var(--background-fill-secondary)}
ul.cards li.kept {border-color: #1a9850}
.marks {display: flex; flex-wrap: wrap; gap: .1em 1em; margin-top: .2em; font-size: .85em}
.marks .fails {color: #d73027}
.marks .silent {opacity: .6}
img.plot {width: 100%; max-width: 40em; background: white}
"""
MOST_LINES = 100
"""Of a run with its scores, which stand at the end: the page is scrolled, and not a box in it."""
SHOWN = 15
"""Seconds that an error stays on the page: longer, and several lie on each other."""
DECIDE = {"accept": "Accept", "reject": "Reject", "edit": "Save"}
REVIEWED = (
    "The next run of the experiment follows: what is rejected is refused, what is edited takes its new text. Its other "
    "filters look at all texts, accepted ones too. (In a file of your own they have to name <code>reviewed</code>.)"
)
SHOW = [
    ("all", ""),
    ("undecided", reviews.UNDECIDED),
    ("accepted", "accept"),
    ("rejected", "reject"),
    ("edited", "edit"),
]


@click.command()
@click.option("--host", type=click.Choice(HOSTS), default=HOSTS[0], show_default=True, help="This machine only.")
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0: any that is free.")
def app(host: str, port: int) -> None:
    """Open a page to try models, compare experiments and review texts.

    \b
    emotion app
    emotion app --port 8000
    """  # noqa: D301 - click wants the character itself
    try:
        served = page()
    except ImportError:
        raise click.ClickException("the page needs gradio: pip install 'emotion-kedro[app]'") from None
    import uvicorn

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"port {port} cannot be used ({error.strerror}); give another: emotion app --port {port + 1}"
            ) from None
        click.echo(f"Open http://{host}:{listener.getsockname()[1]} (Ctrl-C ends it)")
        uvicorn.Server(uvicorn.Config(served, log_level="warning")).run(sockets=[listener])


def page() -> Any:
    """Return the page as an ASGI application.

    Raises:
        ImportError: without gradio.
    """
    # Read when gradio is loaded.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.responses import FileResponse, PlainTextResponse, Response
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    served = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    served.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @served.middleware("http")
    async def guarded(request: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        origin = request.headers.get("origin")
        if request.method not in READING and origin is not None and urlsplit(origin).netloc != request.headers["host"]:
            return PlainTextResponse("only this page may send something", status_code=403)
        response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @served.get("/report/{experiment}", response_model=None)
    def report(experiment: str) -> Response:
        if experiment not in views.experiments():
            return PlainTextResponse("there is no such report", status_code=404)
        return FileResponse(views.data_folder() / reviews.REPORTS / experiment / "report.html")

    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gr.themes.Default(**fonts)  # type: ignore[arg-type]  # its own fonts come from the internet
    return gr.mount_gradio_app(
        served,
        _blocks(gr),
        path="/",
        theme=theme,
        css=CSS,
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=LARGEST_TABLE,
    )


def _blocks(gr: Any) -> Any:
    with gr.Blocks(title="emotion-kedro", analytics_enabled=False, delete_cache=(LOOKED_AFTER, KEPT)) as blocks:
        gr.HTML("<h1>emotion-kedro</h1>")
        tabs = []
        for name, make in TABS.items():
            with gr.Tab(name):
                tabs.append(make(gr))
        # Where lines are on their way when a window is closed, gradio does not stop what sends them.
        blocks.unload(_plainly(gr, tab.left, by_window=True))
        # What runs have left is looked up whenever the page is opened, and when a run on it has ended.
        for refresh, outputs, own in tabs:
            calling = [blocks.load, *(ended for *_, ended in tabs if ended and not own)]
            for when in calling:
                when(_plainly(gr, refresh), None, outputs, api_visibility="private")
    return blocks


def _plainly(gr: Any, work: Callable[..., Any], by_window: bool = False) -> Callable[..., Iterator[Any]]:
    """Return the work as steps to show; of an error the message is shown alone.

    ``by_window``: before all that it is given, the work gets the name of the browser's window.
    """
    from kedro.io import DatasetError

    def steps(request: Any, *given: Any) -> Iterator[Any]:
        try:
            result = work(*[request.session_hash] * by_window, *given)
            yield from result if isinstance(result, Iterator) else (result,)
        except (ValueError, OSError, DatasetError, click.ClickException) as error:
            raise gr.Error(views.escape(str(error)), duration=SHOWN, print_exception=False) from None

    steps.__annotations__["request"] = gr.Request  # by which gradio knows that it is to give one
    return steps


def _chosen(gr: Any, choices: list[Any]) -> Any:
    """Return a dropdown's new choices, the first of them chosen."""
    first = choices[0] if choices else None
    return gr.update(choices=choices, value=first[1] if isinstance(first, tuple) else first)


def _opened(gr: Any, choices: list[Any], what: str, buttons: int, note: Any = "") -> list[Any]:
    """Return what a tab shows when the page is opened: its first choice; where there is none, why, and dead buttons."""
    note = note if choices else views.missing(what)
    return [_chosen(gr, choices), note, *[gr.update(interactive=bool(choices))] * buttons]


Refresh = tuple[Callable[[], Any], list[Any], Any]
"""What a tab shows when the page is opened: values, and the parts of the page that take them; and what calls when a run
on it has ended, or None."""


def _read(gr: Any) -> Refresh:
    text = gr.Textbox(label="Text", value="what a day, everything went right", lines=3, max_length=5000)
    model = gr.Dropdown([], label="Model")
    button = gr.Button("Read", variant="primary")
    shown = gr.HTML()
    for event in (button.click, text.submit):
        event(_plainly(gr, views.reading), [model, text], shown, api_visibility="private")
    return lambda: _opened(gr, views.model_choices(), "models", 1), [model, shown, button], None


def _write(gr: Any) -> Refresh:
    generator = gr.Dropdown([], label="Generator")
    with gr.Row():
        label = gr.Dropdown([], label="Label")
        count = gr.Slider(1, 40, value=8, step=1, label="Texts")
        seed = gr.Number(1, precision=0, minimum=0, maximum=2**32 - 1, label="Seed")
    button = gr.Button("Write", variant="primary")
    shown = gr.HTML()
    generator.change(
        lambda name: _chosen(gr, views.labels_of(name)),
        generator,
        label,
        show_progress="hidden",
        api_visibility="private",
    )
    inputs = [generator, label, count, seed]
    button.click(_plainly(gr, views.written), inputs, shown, api_visibility="private")
    return lambda: _opened(gr, views.generators(), "generators", 1), [generator, shown, button], None


def _compare(gr: Any) -> Refresh:
    experiment = gr.Dropdown([], label="Experiment")
    shown = gr.HTML()
    experiment.change(_plainly(gr, views.compared), experiment, shown, api_visibility="private")
    return lambda: _opened(gr, views.experiments(), "results", 0, gr.skip()), [experiment, shown], None


def _table(gr: Any) -> Refresh:
    gr.HTML(
        "<p class='note'>A table with a column of texts and one of labels: "
        "csv, tsv, txt, json, jsonl, parquet, xlsx.</p>"
    )
    file = gr.File(label="Table", height=140)
    with gr.Row():
        text = gr.Textbox("", label="Text column", placeholder="guessed")
        label = gr.Textbox("", label="Label column", placeholder="guessed")
    quick = gr.Checkbox(label="Quick: no language model is tuned")
    with gr.Accordion("More texts, without labels", open=False):
        more = gr.File(label="Texts to learn from as well", height=140)
    look = gr.Button("Check the table", variant="primary")
    shown = gr.HTML()
    run, stop = gr.Button("Run it here", visible=False), gr.Button("Stop", variant="stop", visible=False)
    progress = gr.Textbox(label="Progress", lines=12, max_lines=MOST_LINES, visible=False, elem_classes="lines")

    def profiled(*given: Any) -> Any:
        return tab.profile(*given), gr.update(visible=True)

    def tried(*given: Any) -> Iterator[Any]:
        lines = ""
        for lines in tab.tried(*given):
            yield gr.update(value=lines, visible=True), gr.update(visible=False), gr.update(visible=True)
        # With the lines once more: of two updates that come at once the page follows the last alone.
        yield gr.update(value=lines), gr.update(visible=True), gr.update(visible=False)

    def stopped(lines: str) -> Any:
        gr.Info("Stopped. Run it again, and it goes on from there.")
        return f"{lines}\nStopped.", gr.update(visible=True), gr.update(visible=False)

    given, while_running = [file, text, label, quick, more], [progress, run, stop]
    look.click(_plainly(gr, profiled), given, [shown, run], api_visibility="private")
    running = run.click(_plainly(gr, tried, by_window=True), given, while_running, api_visibility="private")
    stop.click(stopped, progress, while_running, cancels=running, api_visibility="private")
    return lambda: gr.update(visible=False), [run], running.then


def _review(gr: Any) -> Refresh:
    with gr.Row():
        experiment = gr.Dropdown([], label="Experiment")
        show = gr.Dropdown(SHOW, value=reviews.UNDECIDED, label="Show")
        number = gr.Number(1, precision=0, minimum=1, label="Number")
    about = gr.HTML()
    # What is decided on, whatever other windows do to the list meanwhile.
    text, key = gr.Textbox(label="Text", lines=3), gr.State(("", ""))
    with gr.Row():
        decisions = {decision: gr.Button(title, min_width=90, size="md") for decision, title in DECIDE.items()}
    with gr.Row():
        moves = {-1: gr.Button("Previous", min_width=90, size="md"), 1: gr.Button("Next", min_width=90, size="md")}
    gr.HTML(f"<p class='note'>{REVIEWED}</p>")
    where, here = [experiment, show, number], [number, about, text, key]

    def decided(
        decision: str, name: str, shown: str, place: int | None, edited: str, decided_on: tuple[str, str]
    ) -> Any:
        reviews.decide(name, *decided_on, decision, edited)
        # The next one takes its number where what is decided leaves the list.
        return views.shown_at(name, shown, place if shown else (place or 1) + 1)

    def moved(step: int, name: str, shown: str, place: int | None) -> Any:
        return views.shown_at(name, shown, (place or 1) + step)

    for decision, button in decisions.items():
        button.click(_plainly(gr, partial(decided, decision)), [*where, text, key], here, api_visibility="private")
    for step, button in moves.items():
        button.click(_plainly(gr, partial(moved, step)), where, here, api_visibility="private")
    for changed in (experiment.change, show.change, number.submit):
        changed(_plainly(gr, views.shown_at), where, here, api_visibility="private")
    buttons = [*decisions.values(), *moves.values()]

    def opened() -> Any:
        return _opened(gr, views.experiments("texts/texts.csv"), "texts", len(buttons), gr.skip())

    return opened, [experiment, about, *buttons], None


TABS: dict[str, Callable[[Any], Refresh]] = {
    "Read": _read,
    "Write": _write,
    "Compare": _compare,
    "Your table": _table,
    "Review": _review,
}
