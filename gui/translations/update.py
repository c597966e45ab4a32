"""`python -m gui.translations.update`: bring each `xx.ts` up to the texts of the code, and make `xx.qm` of it.

Texts that are new are marked unfinished, those that are gone are removed. A test fails while either file is behind.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import PySide6

from gui.recipes.fields import helps

FOLDER = Path(__file__).parent
CONTEXT = "desktop"
LANGUAGES = ("de",)


def texts() -> list[str]:
    """Every text that the code hands to `tr`, in the order of the files, then the recipe's descriptions; each once."""
    found = (text for path in sorted(FOLDER.parent.rglob("*.py")) for text in _texts_of(path))
    return list(dict.fromkeys((*found, *helps())))


def translations(path: Path) -> dict[str, str]:
    """The finished translations of a `.ts` file."""
    if not path.exists():
        return {}
    messages = ElementTree.parse(path).getroot().iter("message")
    pairs = ((message.findtext("source", ""), message.find("translation")) for message in messages)
    return {source: each.text for source, each in pairs if each is not None and each.text and not each.get("type")}


def write(path: Path, language: str, known: dict[str, str]) -> None:
    root = ElementTree.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = ElementTree.SubElement(root, "context")
    ElementTree.SubElement(context, "name").text = CONTEXT
    for text in texts():
        message = ElementTree.SubElement(context, "message")
        ElementTree.SubElement(message, "source").text = text
        translation = ElementTree.SubElement(message, "translation")
        translation.text = known.get(text, "")
        if text not in known:
            translation.set("type", "unfinished")
    ElementTree.indent(root, "    ")
    head = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n'
    path.write_text(f"{head}{ElementTree.tostring(root, 'unicode')}\n", encoding="utf-8")


def compile_to(source: Path, target: Path) -> None:
    """Run Qt's `lrelease`, which comes with PySide6."""
    words = [str(Path(PySide6.__file__).parent / "lrelease"), "-silent", str(source), "-qm", str(target)]
    subprocess.run(words, check=True)


def _texts_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
            (text,) = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            yield str(text)


def main() -> int:
    for language in LANGUAGES:
        path = FOLDER / f"{language}.ts"
        known = translations(path)
        write(path, language, known)
        compile_to(path, path.with_suffix(".qm"))
        print(f"{path.name}: {sum(text not in known for text in texts())} texts to translate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
