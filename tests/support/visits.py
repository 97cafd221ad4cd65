"""A visitor's page in a real browser, and what the visitor waits for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass
class Visit:
    """One visitor's page and what was noticed on it."""

    page: Page
    asked: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def example(self, name: str) -> None:
        """Click an example and wait for its answer and picture."""
        self.page.click(f'.hs-chip[data-name="{name}"]')
        self.page.wait_for_selector(f'.hs-chip[data-name="{name}"][aria-pressed="true"]')
        # The address names the example once its own answer is shown; that of the one before may still stand there.
        self.page.wait_for_function(
            "(name) => { const there = new URLSearchParams(window.location.hash.slice(1)); "
            "return there.get('example') === name && there.has('a'); }",
            arg=name,
        )
        self.answered()

    def answered(self) -> float:
        """Wait for an answer and its picture; the gap in eV."""
        self.page.wait_for_selector("#hs-answer .hs-gap")
        self.page.wait_for_selector("#hs-maps [data-role=picture][data-drawn]")
        return self.gap()

    def gap(self) -> float:
        return float(self.page.locator("#hs-answer .hs-gap").get_attribute("data-gap") or "nan")

    def drawn(self) -> str:
        """What the picture shows: map/layer/repeats."""
        return self.page.locator("#hs-maps [data-role=picture]").get_attribute("data-drawn") or ""

    def wait_drawn(self, start: str) -> None:
        self.page.wait_for_selector(f'#hs-maps [data-role=picture][data-drawn^="{start}"]')

    def tab(self, name: str) -> None:
        """Show a tab: predict, batch or model."""
        place = ("predict", "batch", "model").index(name)
        self.page.locator("#hs-tabs [role=tab]").nth(place).click()

    def batch(self, files: list) -> None:
        """Upload files in the Batch tab and wait until all are answered."""
        self.tab("batch")
        self.page.set_input_files("#hs-batch-files input[type=file]", files)
        last = str(files[-1]).rsplit("/", 1)[-1].split(".")[0]
        self.page.wait_for_function(
            "(name) => document.querySelector('#hs-batch-files').innerText.includes(name)", arg=last
        )
        self.page.click("#hs-batch-go")
        self.page.wait_for_selector("#hs-batch-status .hs-done")

    def fields(self) -> list[str]:
        """Structure, description and format as they stand."""
        return [self.page.input_value(f"#hs-{name} textarea") for name in ("structure", "description")]
