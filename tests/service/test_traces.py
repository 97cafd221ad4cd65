"""OpenTelemetry by BentoML's own configuration: a span per request with counts and times,
none with what was submitted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from support.service_samples import SILICON

if TYPE_CHECKING:
    from pathlib import Path

ASKING = """
import asyncio, json, sys
import httpx
from bentoml._internal.configuration.containers import BentoMLContainer
from hsegap.service.bento import RUNTIME, HsegapService
from hsegap.service.one_process import lean

async def main():
    app = lean(HsegapService.to_asgi())
    async with app.router.lifespan_context(app):
        while RUNTIME.core is None or RUNTIME.core.state == "starting":
            await asyncio.sleep(0.05)
        parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-request-id": "mine"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=120) as client:
            asked = {"structure": sys.stdin.read(), "atoms": False}
            answer = await client.post("/predict", json=asked, headers=parent)
            await client.post("/predict", json={"structure": "SECRET nonsense"})
        provider = BentoMLContainer.tracer_provider.get()
        provider.force_flush()
        [processor] = provider._active_span_processor._span_processors
        spans = [json.loads(span.to_json()) for span in processor._batch_processor._exporter.get_finished_spans()]
        print(json.dumps([answer.json()["formula"], spans]))

asyncio.run(main())
"""  # noqa: E501 - the program as Python gets it


def spans_of(tmp_path: Path, artifact_folder: Path, **settings: str) -> list[dict]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")} | settings
    environment |= {"HSEGAP_ARTIFACT": str(artifact_folder), "HSEGAP_PAGE": "0", "HSEGAP_WORKERS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ASKING],
        input=SILICON,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    formula, spans = json.loads(done.stdout.splitlines()[-1])
    assert formula == "Si"
    return list(spans)


def test_each_request_leaves_a_span_with_its_stages_and_without_its_content(
    tmp_path: Path, artifact_folder: Path
) -> None:
    tracing = {"services": {"tracing": {"exporter_type": "in_memory", "sample_rate": 1.0}}}
    spans = spans_of(tmp_path, artifact_folder, BENTOML_CONFIG_OVERRIDES=json.dumps(tracing))
    requests = [span for span in spans if span["kind"] == "SpanKind.SERVER"]
    assert [span["name"] for span in requests] == ["POST /predict", "POST /predict"]
    good, bad = (span["attributes"] for span in requests)
    assert requests[0]["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"  # the caller's own trace goes on
    assert (good["hsegap.request_id"], good["hsegap.outcome"], good["hsegap.items"]) == ("mine", "ok", 1)
    assert good["hsegap.atoms"] >= 2
    assert good["hsegap.stage_ms.network"] > 0
    assert (bad["hsegap.outcome"], bad["hsegap.failed"]) == ("unsupported_format", 1)
    written = json.dumps(spans)
    assert "SECRET" not in written
    assert "_cell_length_a" not in written
