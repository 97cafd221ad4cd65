"""Errors and warnings in Chinese where a client asks for it."""

from __future__ import annotations

import re
from typing import get_args

import httpx
import pytest

from hsegap.prediction.chinese import HINTS_ZH, MESSAGES_ZH, WARNINGS_ZH
from hsegap.prediction.errors import ErrorCode
from hsegap.prediction.language import preferred
from hsegap.structures.parsed import NOTICE_CODES
from support.service_samples import NACL

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("ZH", "zh"),
        ("fr, zh;q=0.5", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=high", "en"),
        ("*", "en"),
        ("," * 100_000 + "zh", "en"),
    ],
)
def test_the_language_a_client_likes_best(header, language):
    assert preferred(header) == language


def test_every_code_has_its_chinese_sentence():
    assert set(MESSAGES_ZH) == set(HINTS_ZH) == set(get_args(ErrorCode))
    assert set(NOTICE_CODES) <= set(WARNINGS_ZH)
    assert all(HAN.search(told) for table in (MESSAGES_ZH, HINTS_ZH, WARNINGS_ZH) for told in table.values())


def test_every_documented_warning_has_its_chinese_sentence():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    section = page.split("## Warnings")[1].split("## Artifacts")[0]
    codes = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert len(codes) > 5
    assert set(codes) <= set(WARNINGS_ZH)


def test_errors_speak_chinese_over_http(server):
    chinese, english = {"Accept-Language": "zh-CN,zh;q=0.9"}, {"Accept-Language": "en"}
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for path, body in (
            ("/predict", {"structure": "nothing"}),  # by the reader
            ("/predict", {"text": "no such field"}),  # by pydantic
            ("/nowhere", {}),  # by the router
        ):
            told = [client.post(path, json=body, headers=headers).json()["error"] for headers in (english, chinese)]
            assert told[0]["code"] == told[1]["code"]
            assert not HAN.search(told[0]["message"] + told[0]["hint"])
            assert told[1]["message"].count(MESSAGES_ZH[told[1]["code"]]) == 1
            assert told[0]["message"] in told[1]["message"], "the case's own numbers stay"
            assert HAN.search(told[1]["hint"])
        batch = client.post(
            "/predict_batch", json={"items": [{"structure": NACL}, {"structure": "?"}]}, headers=chinese
        ).json()["items"]
        assert "gap_ev" in batch[0]
        assert batch[1]["error"]["message"].count(MESSAGES_ZH["unsupported_format"]) == 1
        answer = client.post("/predict", json={"structure": NACL}, headers=chinese)
        assert "Accept-Language" in answer.headers["vary"]


def test_a_chinese_description_is_warned_of(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        text = "氯化钠是岩盐结构，空间群为 Fm-3m，每个钠离子与六个氯离子配位。"
        answer = client.post("/predict", json={"structure": NACL, "description": text}).json()
        assert "text_not_english" in [warning["code"] for warning in answer["warnings"]]
        text = "NaCl is Halite, Rock Salt structured. Na–Cl bonds are 2.82 Å long."
        answer = client.post("/predict", json={"structure": NACL, "description": text}).json()
        assert "text_not_english" not in [warning["code"] for warning in answer["warnings"]]
