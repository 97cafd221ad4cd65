"""What kind of test each is, told from its folder and its fixtures,
and how the tests are shared out to processes that run at once.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from support.processes import watch_this_run

TESTS = Path(__file__).resolve().parents[1]
#: The kind of a folder's or a file's tests where their fixtures don't say more; others run in the test's own process.
PROCESS = (
    "batch/test_pipelines.py",
    "batch/test_known_gaps.py",
    "batch/test_pool.py",
    "batch/test_score_",
    "cli/test_cli_completion.py",
    "cli/test_cli_known.py",
    "cli/test_cli_model.py",
    "cli/test_cli_predict.py",
    "cli/test_cli_readme.py",
    "examples/",
    "prediction/test_workers.py",
    "service/test_life_cycle.py",
    "service/test_service_",
    "test_packaging.py",
    "test_quiet.py",
    "test_wheel.py",
    "training/test_front_door.py",
    "training/test_resume.py",
    "training/test_training_benchmark.py",
    "ui/test_gradio_import.py",
)
CLUSTER = ("batch/test_score_ray.py",)
#: Files whose tests take more than half a minute on an idle machine; see `LongestFirst`.
LONG = {
    "test_quiet.py",
    "test_wheel.py",
    "batch/test_score_command.py",
    "batch/test_score_ray.py",
    "evaluation/test_calibration.py",
    "export/test_build_export_command.py",
    "export/test_parity_suite.py",
    "service/test_life_cycle.py",
    "service/test_processes.py",
    "service/test_service_bento.py",
    "service/test_service_http.py",
    "service/test_service_limits.py",
    "service/test_service_openapi.py",
    "structures/test_describe.py",
    "training/test_ablation.py",
    "training/test_resume.py",
    "ui/test_ui_browser.py",
    "ui/test_ui_state.py",
    "ui/test_ui_walk.py",
}
#: Fixtures that export networks.
SLOW_FIXTURES = {"tiny_encoder", "told_artifact", "explained_artifact"}
KINDS = {"unit", "process", "browser", "cluster"}
#: Files whose tests train or export networks, or go through hundreds of real crystals:
#: their tests are slow even where no mark says so, as are all that need an exported network.
SLOW = (
    "export/",
    "prediction/test_contradiction.py",
    "structures/test_graph_against_jarvis.py",
    "textbook/",
    "training/test_ablation.py",
    "training/test_average.py",
    "training/test_joint.py",
    "training/test_loop.py",
    "training/test_pipeline.py",
    "training/test_resume.py",
    "training/test_transfer.py",
)
#: Fixtures that start something.
BROWSER_FIXTURES = {"browser", "visit", "shared_context"}
PROCESS_FIXTURES = {"start_server", "server", "server_url", "client", "keyed", "hsegap", "score", "predictor"}


def kind_of(path: str, fixtures: set[str]) -> str:
    """The kind of a test.

    Args:
        path: Its file, below tests/.
        fixtures: Names of all fixtures that it uses, directly or by way of others.

    Returns:
        ``unit``: all in one process. ``process``: starts servers, workers or commands. ``browser``: drives Chromium.
        ``cluster``: starts Ray.
    """
    if fixtures & BROWSER_FIXTURES:
        return "browser"
    if path.startswith(CLUSTER):
        return "cluster"
    return "process" if fixtures & PROCESS_FIXTURES or path.startswith(PROCESS) else "unit"


def pytest_configure(config: pytest.Config) -> None:
    # The descriptor stays open as long as this process lives.
    config.stash[WATCHER] = watch_this_run()
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(LongestFirst())


WATCHER = pytest.StashKey[int]()


@pytest.hookimpl(tryfirst=True)  # before `-m` picks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its kind."""
    for item in items:
        path = path_of(item)
        fixtures = set(getattr(item, "fixturenames", ()))
        if not {mark.name for mark in item.iter_markers()} & KINDS:
            item.add_marker(kind_of(path, fixtures))
        if path.startswith(SLOW) or fixtures & SLOW_FIXTURES:
            item.add_marker("slow")


def path_of(item: pytest.Item) -> str:
    """A test's file, below tests/."""
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else item.path.name


def pytest_collection_finish() -> None:
    """Look for garbage seldom: everything imported is kept anyway, and exports and trainings make so much
    that looking took a sixth of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class LongestFirst:
    """Where files are shared out, the long ones begin:
    else one process would still be busy with one while the other has nothing left.
    """

    @pytest.hookimpl(trylast=True)  # after the order has been shuffled
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: path_of(item) not in LONG)
