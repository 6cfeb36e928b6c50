from __future__ import annotations

import json
import logging
from io import StringIO

import pytest
import structlog
from pydantic import SecretStr
from rich.console import Console

from axiom.settings import load_settings
from axiom.telemetry import configure_logging, get_logger, progress

pytestmark = pytest.mark.usefixtures("logging_put_back")


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_carries_event_level_logger_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="json"))
    get_logger("axiom.lake").info("committed", rows=3)
    out, err = capsys.readouterr()
    [line] = json_lines(err)
    assert out == ""
    assert (line["event"], line["level"], line["logger"], line["rows"]) == ("committed", "info", "axiom.lake", 3)
    assert str(line["timestamp"]).endswith("Z")


def connect(url: str) -> None:
    raise ConnectionError(url)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_reaches_the_log(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logging(load_settings(log_format=log_format))
    url = "postgresql://bob:hunter2@db/axiom"
    log = get_logger("axiom.db")
    log.info("opened", url=url, password="hunter2", nested={"api_key": "hunter2", "urls": [url]})
    log.info(f"opened {url}", held=SecretStr("hunter2"))  # noqa: G004  # people do it
    logging.getLogger("library").warning("cannot reach %s", url)
    structlog.get_logger("axiom.direct").info("opened", auth_token="hunter2")
    try:
        connect(url)
    except ConnectionError:
        log.exception("failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") >= 5
    assert "ConnectionError" in err
    assert "***" in err
    assert "hunter2" not in err


def test_own_lines_follow_the_level_and_libraries_start_at_warning(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="json", log_level="debug"))
    get_logger("axiom.db").debug("own detail")
    logging.getLogger("library").info("foreign chatter")
    logging.getLogger("library").warning("foreign warning")
    assert [line["event"] for line in json_lines(capsys.readouterr().err)] == ["own detail", "foreign warning"]


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="console"))
    configure_logging(load_settings(log_format="json"))
    get_logger("axiom.db").info("once")
    assert len(json_lines(capsys.readouterr().err)) == 1


def test_progress_in_a_log_is_at_most_one_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="json"))
    now = [0.0]
    with progress("build", total=16, clock=lambda: now[0], every=5.0, console=Console(file=StringIO())) as bar:
        for _ in range(16):
            now[0] += 2.0
            bar.advance()
    lines = json_lines(capsys.readouterr().err)
    assert [line["done"] for line in lines] == [3, 6, 9, 12, 15, 16]
    assert [line.get("eta_seconds") for line in lines] == [26.0, 20.0, 14.0, 8.0, 2.0, None]
    assert {line["total"] for line in lines} == {16}
    assert lines[-1]["outcome"] == "finished"


def test_progress_of_a_task_that_fails_says_where_it_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="json"))

    def work() -> None:
        with progress("build", console=Console(file=StringIO())) as bar:
            bar.advance(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    [line] = json_lines(capsys.readouterr().err)
    assert (line["done"], line["outcome"]) == (2, "stopped")


def test_progress_on_a_terminal_is_a_bar_with_eta() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with progress("build", total=4, console=console) as bar:
        bar.advance(4)
    assert "4/4" in screen.getvalue()
    assert "eta" in screen.getvalue()


def test_quiet_progress_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(load_settings(log_format="json"))
    screen = StringIO()
    with progress("build", total=4, quiet=True, console=Console(file=screen, force_terminal=True)) as bar:
        bar.advance(4)
    assert capsys.readouterr().err + screen.getvalue() == ""
