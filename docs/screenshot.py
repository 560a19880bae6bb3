"""Make docs/comparison.png and docs/run.png: MLflow's own pages of real runs.

It fits two models that differ in one parameter, and a sweep, serves their store on this machine, and photographs in a
headless Chromium the page of a run, and the one that compares two: its sidebar and its visualizations folded, of the
parameters those that differ, and a figure chosen among the artifacts. With `--all FOLDER` MLflow's other pages too, for
whoever changes what runs record.

Chromium and its driver come from Debian, selenium for this one run from PyPI; about two minutes:

    apt-get update && apt-get install -y chromium chromium-driver
    uv run --with selenium python docs/screenshot.py [--all FOLDER]
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote
from urllib.request import urlopen

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PICTURE = Path(__file__).with_name("comparison.png")
RUN = Path(__file__).with_name("run.png")
DATA = "diabetes"
CHANGES = ([], ["model.estimator.regParam=100"])
FIGURE = "coefficients.png"
SWEEP = ["model=ridge,lasso", f"data={DATA}", "model.estimator.regParam=0.1,1,10"]
# Of the window, in pixels. Narrower, MLflow cuts off the names of the artifacts beside two figures; lower, they scroll.
WIDTH, HEIGHT = 1560, 1900
MARGIN = 20  # below the figures
RUN_HEIGHT = 1000
SECONDS = 60
SECONDS_TO_SETTLE = 6
# The assistant covers a third of the page unless it believes that a user has closed it; the pages of runs and models
# are those of training, where MLflow begins with those of chats.
AS_A_USER = """
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
    localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="photograph MLflow's other pages too, into a folder")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory(prefix="experiments-", ignore_cleanup_errors=True) as folder:
        os.environ |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "TMPDIR": folder,  # Chromium leaves something behind
            "no_proxy": "127.0.0.1,localhost",
        }
        for change in CHANGES:
            subprocess.run(["experiments", "model=ridge", f"data={DATA}", *change], cwd=folder, check=True)
        experiment, runs = recorded()
        with served(Path(folder)) as server, chromium() as browser:
            prepare(browser, server)
            PICTURE.write_bytes(comparison(browser, server, experiment, runs))
            RUN.write_bytes(page(browser, server, f"experiments/{experiment}/runs/{runs[0]}", RUN_HEIGHT))
            if args.all:
                subprocess.run(["experiments", "-m", *SWEEP], cwd=folder, check=True)
                args.all.mkdir(parents=True, exist_ok=True)
                for name, place in pages(experiment, runs[0]).items():
                    (args.all / f"{name}.png").write_bytes(page(browser, server, place, HEIGHT))


def stop(*_: object) -> NoReturn:
    """Leave through every `finally`, which a SIGTERM would not do by itself."""
    sys.exit("stopped")


def recorded() -> tuple[str, list[str]]:
    """The experiment's id and those of its runs, oldest first."""
    from mlflow.tracking import MlflowClient  # after MLFLOW_DISABLE_TELEMETRY is set

    client = MlflowClient()
    experiment = client.get_experiment_by_name(DATA).experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    return experiment, [run.info.run_id for run in runs]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an MLflow server over the folder's store, gone with all its processes after the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", os.environ["MLFLOW_TRACKING_URI"]]
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command + store, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        await_health(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # it only reads, and its workers are in its group
        server.wait()


def await_health(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Return once the server answers.

    Raises:
        RuntimeError: with the server's own words, if it ends or stays silent.
    """
    deadline = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.5)
    raise RuntimeError(f"no MLflow server at {address}:\n{log.read_text()}")


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A headless browser of WIDTH and HEIGHT."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("headless=new", f"window-size={WIDTH},{HEIGHT}", "hide-scrollbars", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses root otherwise
    with webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver")) as browser:
        yield browser


def pages(experiment: str, run: str) -> dict[str, str]:
    """Names and places of MLflow's pages: of experiments, runs, a run, a model, a registered model and a sweep."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    (parent,) = client.search_runs([experiment], "tags.`experiments.sweep` LIKE '%'")
    (model,) = client.get_run(run).outputs.model_outputs
    below = f"experiments/{experiment}"
    return {
        "experiments": "experiments",
        "runs": f"{below}/runs",
        "run": f"{below}/runs/{run}",
        "artifacts": f"{below}/runs/{run}/artifacts/{FIGURE}",
        "model": f"{below}/models/{model.model_id}",
        "registered": f"models/{DATA}",
        "version": f"models/{DATA}/versions/1",
        "sweep": f"{below}/runs/{parent.info.run_id}",
    }


def prepare(browser: webdriver.Chrome, server: str) -> None:
    """Close what covers the pages."""
    browser.get(f"{server}/health")
    browser.execute_script(AS_A_USER)
    browser.get(server)
    found(browser, "//*[@aria-label='Toggle sidebar']").click()  # before the page measures how wide its tables may be


def page(browser: webdriver.Chrome, server: str, place: str, height: int) -> bytes:
    """A page from its top, as a PNG, once nothing on it moves any more."""
    browser.get(f"{server}/#/{place}")
    browser.refresh()
    time.sleep(SECONDS_TO_SETTLE)
    area = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    return base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": area})["data"])


def comparison(browser: webdriver.Chrome, server: str, experiment: str, runs: list[str]) -> bytes:
    """The compare page from its top to the end of the figures, as a PNG."""
    query = f"runs={quote(json.dumps(runs))}&experiments={quote(json.dumps([experiment]))}"
    browser.get(f"{server}/#/compare-runs?{query}")
    for click in (
        "//*[@role='button' and @aria-expanded and contains(., 'Visualizations')]",
        "//*[@aria-label='Parameters - Show diff only']",
        f"//*[@aria-label='{FIGURE}']",
    ):
        found(browser, click).click()
    figures = [found(browser, f"(//img[@alt='{FIGURE}'])[{position}]") for position in range(1, len(runs) + 1)]
    bottom = max(figure.rect["y"] + figure.rect["height"] for figure in figures)
    area = {"x": 0, "y": 0, "width": WIDTH, "height": bottom + MARGIN, "scale": 1}
    return base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": area})["data"])


def found(browser: webdriver.Chrome, path: str) -> WebElement:
    """The element at this XPath, once it is there and neither grows nor moves any more."""
    places: list[dict[str, int]] = [{}]

    def settled(page: webdriver.Chrome) -> WebElement | None:
        element = page.find_element(By.XPATH, path)
        places.append(element.rect)
        return element if places[-1]["height"] and places[-1] == places[-2] else None

    wait = WebDriverWait(browser, SECONDS, ignored_exceptions=[StaleElementReferenceException])
    return wait.until(settled, f"nothing at rest at {path} of {browser.current_url}")


if __name__ == "__main__":
    main()
