"""docs/reference/configuration.md has every key of rlfa.toml and of a stream spec, with type, default and meaning."""

import ast
import inspect
import textwrap
from pathlib import Path

import msgspec
import pytest

from rlfa.rules.ruleset import ListFile, Rule, RuleFile
from rlfa.settings import Settings
from streams.features.spec import DecayedSpec
from streams.spec import StreamSpec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "configuration.md"


def meanings(struct: type) -> dict[str, str]:
    """The docstring below each field."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if not (isinstance(base, type) and issubclass(base, msgspec.Struct)) or base is msgspec.Struct:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, doc in zip(body.body, body.body[1:], strict=False):
            is_doc = isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_doc:
                found[field.target.id] = " ".join(str(doc.value.value).split())
    return found


def bounds(kind: msgspec.inspect.Type) -> str:
    names = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    parts = [f"{sign} {getattr(kind, n)}" for n, sign in names.items() if getattr(kind, n, None) is not None]
    if isinstance(kind, msgspec.inspect.LiteralType):
        return ", ".join(f"`{v}`" for v in kind.values)
    return ", ".join(parts)


def type_name(kind: msgspec.inspect.Type) -> str:
    return type(kind).__name__.removesuffix("Type").lower()


def default_of(field: msgspec.inspect.Field) -> str:
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return "required"
    if isinstance(value, tuple | list | frozenset):
        value = list(value)
    return f"`{msgspec.json.encode(value).decode()}`"


def section(struct: type, title: str) -> list[str]:
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    docs = meanings(struct)
    lines = [f"## {title}", "", str(inspect.getdoc(struct)).splitlines()[0], ""]
    lines += ["| key | type | default | allowed | meaning |", "|---|---|---|---|---|"]
    nested: list[tuple[type, str]] = []
    for field in info.fields:
        kind = field.type
        if isinstance(kind, msgspec.inspect.StructType):
            nested.append((kind.cls, f"{title.split(' ', maxsplit=1)[0]} `{_join(title, field.encode_name)}`"))
            continue
        meaning = docs.get(field.name, "")
        assert meaning, f"{struct.__name__}.{field.name} has no docstring"
        lines.append(
            f"| `{field.encode_name}` | {type_name(kind)} | {default_of(field)} | {bounds(kind)} | {meaning} |"
        )
    for cls, name in nested:
        lines += ["", *section(cls, name)]
    return lines


def _join(title: str, name: str) -> str:
    inner = title.split("`")[1] if "`" in title else ""
    return f"[{inner.strip('[]')}.{name}]" if inner else f"[{name}]"


def page() -> str:
    head = [
        "# Configuration",
        "",
        "Written by `make golden` from the structs that read it; unknown keys and values out of bounds stop the start.",
        "",
    ]
    rules = [
        line
        for struct, title in ((RuleFile, ""), (Rule, " `[[rules]]`"), (ListFile, " `[lists.NAME]`"))
        for line in ("", *section(struct, f"rules.toml{title}"))
    ]
    fading = section(DecayedSpec, "stream.toml `[windows.decayed.ENTITY]`")
    stream = [*section(StreamSpec, "stream.toml"), "", *fading]
    return "\n".join([*head, *section(Settings, "rlfa.toml"), "", *stream, *rules]) + "\n"


def test_the_configuration_page_has_every_key(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--golden-rewrite"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run `make golden` and read the difference"
