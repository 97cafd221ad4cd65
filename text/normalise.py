"""Text normalisation: the same characters reach the tokenizer in training and in serving.

The order is the one of the CrysMMNet family: BERT's normaliser without case folding, then a map of single characters.
The map is a table file where one is given (MatSciBERT ships one) and Unicode compatibility otherwise.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING

from hsegap.text.errors import TextEncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenizers.normalizers import BertNormalizer

#: Characters that compatibility normalisation leaves alone although ASCII has their meaning in a description.
_ASCII_TWINS = str.maketrans(
    {
        "\u2010": "-",  # hyphen
        "\u2011": "-",  # non-breaking hyphen
        "\u2012": "-",  # figure dash
        "\u2013": "-",  # en dash: robocrystallographer writes ranges of bond lengths with it
        "\u2014": "-",  # em dash
        "\u2212": "-",  # minus
        "\u2018": "'",
        "\u2019": "'",
        "\u2032": "'",  # prime
        "\u201c": '"',
        "\u201d": '"',
        "\u00d7": "x",  # multiplication sign
        "\u2044": "/",  # fraction slash, what compatibility makes of ½
        "\u00b7": ".",  # middle dot of hydrates
        "\u22c5": ".",  # dot operator
    }
)
#: A rotoinversion axis typeset with a bar over the digit; stripping accents would make Fm-3m an Fm3m.
_BARRED_DIGIT = re.compile("([1-6])[\u0304\u0305]")
#: Halves of surrogate pairs are no characters and cannot be handed to the tokenizer; JSON can carry them all the same.
_SURROGATES = re.compile("[\ud800-\udfff]")


@functools.lru_cache(maxsize=1)
def _bert_normaliser() -> BertNormalizer:
    from tokenizers.normalizers import BertNormalizer

    return BertNormalizer(lowercase=False, strip_accents=True, clean_text=True, handle_chinese_chars=True)


def read_table(path: Path) -> dict[str, str]:
    """Read a character table: one line per character, the character, one separator, what it becomes.

    Args:
        path: UTF-8 file in the format of MatSciBERT's ``vocab_mappings.txt``.

    Returns:
        Map of single characters. Characters that are not in it become blanks.

    Raises:
        TextEncoderError: If the file is missing, is not UTF-8 or holds no map.
    """
    try:
        # Not splitlines(): the table's own characters include line separators.
        lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").strip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TextEncoderError(
            f"the character table {path.name} cannot be read: {error}", "Give a UTF-8 text file."
        ) from error
    table = {line[0]: line[2:] for line in lines if len(line) >= 2}
    if not table:
        raise TextEncoderError(
            f"the character table {path.name} is empty.", "Each line is a character, a blank and what it becomes."
        )
    return table


def normalise(text: str, *, table: Mapping[str, str] | None = None) -> str:
    """Bring a description into the characters the encoder was trained on.

    Args:
        text: Any text; halves of surrogate pairs become blanks.
        table: Map of single characters from :func:`read_table`; characters outside it become blanks. None maps by
            Unicode compatibility (subscripts and superscripts to digits, typographic dashes to hyphens).

    Returns:
        The text without accents and control characters, white space folded to single blanks. Normalising it again
        without a table changes nothing.
    """
    bert = _bert_normaliser()
    text = _SURROGATES.sub(" ", text)
    if table is not None:
        mapped = "".join(table.get(character, " ") for character in bert.normalize_str(text))
        return " ".join(mapped.split())
    text = _BARRED_DIGIT.sub(r"-\1", text)
    # Compatibility before the accents: it may bring new ones (ﷺ and friends); the twins after it: it brings some of
    # them.
    text = unicodedata.normalize("NFKC", text).translate(_ASCII_TWINS)
    return " ".join(bert.normalize_str(text).split())
