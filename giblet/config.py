"""The configuration: read against its schemas before any job is planned.

``config/schemas/config.schema.yaml`` describes the top level and names one schema file per
block. Unknown keys are errors with the nearest valid key; missing keys get the schema's
default, so the rules can rely on every key being there.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from giblet import paths
from giblet.errors import ConfigError
from giblet.timing import as_fraction, tr_length

SCHEMAS = Path(__file__).resolve().parent.parent / "config" / "schemas"
Schema = dict[str, Any]


def read_schema(name: str, folder: str | Path = SCHEMAS) -> Schema:
    """Read one schema file by the name of what it describes."""
    return _read_yaml(Path(folder) / f"{name}.schema.yaml")


def defaults(schema: Schema) -> dict[str, Any]:
    """Default of each property that has one."""
    return {k: part["default"] for k, part in schema["properties"].items() if "default" in part}


def load_schema(folder: str | Path = SCHEMAS) -> Schema:
    """Read the top-level schema with its blocks put in place of their references."""
    return _resolved(_read_yaml(Path(folder) / "config.schema.yaml"), Path(folder))


def _resolved(schema: Schema, folder: Path) -> Schema:
    for name, part in schema["properties"].items():
        if "$ref" in part:
            part = _read_yaml(folder / part["$ref"])
        if "properties" in part:
            part = _resolved(part, folder)
        schema["properties"][name] = part
    return schema


def refuse_repeated_keys(files: Iterable[str | Path]) -> None:
    """Refuse configuration files that give a setting twice, of which YAML takes the last.

    Raises
    ------
    ConfigError
        Naming the file, the setting and both lines.
    """
    for path in files:
        with Path(path).open(encoding="utf-8") as handle:
            root = yaml.compose(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        waiting, seen = [("", root)], set()
        while waiting:
            above, node = waiting.pop()
            # An alias may lead to a block again, even to itself.
            if not isinstance(node, yaml.MappingNode) or id(node) in seen:
                continue
            seen.add(id(node))
            lines: dict[str, int] = {}
            for key, value in node.value:
                name, line = f"{above}{key.value}", key.start_mark.line + 1
                if name in lines:
                    raise ConfigError(
                        f"{path} line {line}: config key {name!r} is given a second time, first in "
                        f"line {lines[name]}: leave one of them out"
                    )
                lines[name] = line
                waiting.append((f"{name}/", value))


def _read_yaml(path: Path) -> Schema:
    with path.open(encoding="utf-8") as handle:
        loaded: Schema = yaml.safe_load(handle)
    return loaded


def leaf_keys(schema: Schema, above: str = "") -> Iterator[str]:
    """Names of all settings, with slashes between the levels: ``stimulus/video/width``."""
    for name, part in schema["properties"].items():
        path = f"{above}{name}"
        if "properties" in part:
            yield from leaf_keys(part, f"{path}/")
        else:
            yield path


def complete(config: dict[str, Any], schema: Schema | None = None) -> dict[str, Any]:
    """Check a configuration and fill in the defaults, in place.

    Raises
    ------
    ConfigError
        Naming the key, its value, what is allowed, and for an unknown key the nearest
        valid one.
    """
    schema = schema or load_schema()
    _refuse_unknown(config, schema, "", schema)
    _fill_defaults(config, schema)
    _read_texts(config, schema)
    _refuse_invalid(config, schema)
    _check_paths(config, schema)
    if "tr_s" in config:
        # One notation, so that 1.5, "1.5" and "3/2" are the same setting.
        config["tr_s"] = notation(tr_length(config["tr_s"], "config key 'tr_s'"))
    _refuse_odd(config)
    return config


def notation(value: Fraction) -> str:
    """A rational as a decimal where that is exact, as a ratio otherwise."""
    decimal = str(float(value)).removesuffix(".0")
    return decimal if as_fraction(decimal) == value else str(value)


def _refuse_unknown(config: Mapping[str, Any], block: Schema, above: str, schema: Schema) -> None:
    known = block["properties"]
    for key, value in config.items():
        path = f"{above}{key}"
        if key not in known:
            raise ConfigError(
                f"unknown config key {path!r}{_suggestion(key, above, block, schema)}"
            )
        if "properties" in known[key]:
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"config key {path!r} is {value!r}, expected a block of settings: "
                    f"{', '.join(sorted(known[key]['properties']))}"
                )
            _refuse_unknown(value, known[key], f"{path}/", schema)


def _suggestion(name: Any, above: str, block: Schema, schema: Schema) -> str:
    """The nearest valid key: first among the neighbours, then anywhere."""
    near = difflib.get_close_matches(str(name), block["properties"], n=1)
    if near:
        return f": did you mean {above + near[0]!r}?"
    elsewhere = [key for key in leaf_keys(schema) if key.rpartition("/")[2] == name]
    if elsewhere:
        return f": did you mean {elsewhere[0]!r}?"
    return f": valid here are {', '.join(sorted(block['properties']))}"


def _fill_defaults(config: dict[str, Any], schema: Schema) -> None:
    for name, part in schema["properties"].items():
        if "properties" in part:
            _fill_defaults(config.setdefault(name, {}), part)
        elif name not in config and "default" in part:
            config[name] = part["default"]


def _read_texts(config: dict[str, Any], schema: Schema) -> None:
    """Take texts for what they say where the text itself is not allowed, in place.

    Snakemake hands on all values inside ``--config "train={steps: 10}"`` as texts.
    """
    import jsonschema

    for name, part in schema["properties"].items():
        if "properties" in part:
            _read_texts(config[name], part)
        elif name in config and (said := _said(config[name])) != config[name]:
            allowed = jsonschema.Draft202012Validator(part).is_valid
            if not allowed(config[name]) and allowed(said):
                config[name] = said


def _said(value: Any) -> Any:
    if isinstance(value, list):
        return [_said(item) for item in value]
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except (yaml.YAMLError, ValueError):  # "2024-13-01" looks like a date that cannot be
        return value


def _refuse_odd(value: Any, above: str = "") -> None:
    """Refuse numbers and texts that no setting can be, whatever its schema says."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _refuse_odd(part, f"{above}/{key}" if above else str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_odd(part, above)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"config key {above!r} is {value}, expected a finite number")
    elif isinstance(value, str) and (found := paths.WILDCARD.search(value)):
        raise ConfigError(
            f"config key {above!r} is {value!r}, in which Snakemake takes {found.group()} for a "
            "wildcard: write it without braces; a file or folder can be linked under another name"
        )


def _check_paths(config: dict[str, Any], schema: Schema, above: str = "") -> None:
    """Check the settings that their schema calls paths, in place."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            _check_paths(config[name], part, f"{above}{name}/")
        elif part.get("format") == "path" and config.get(name):
            where = f"config key {f'{above}{name}'!r}"
            config[name] = paths.checked(config[name], where, ConfigError)


def _full_match(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    """JSON schema's ``pattern``, of which ``$`` would let a line break at the end through."""
    import jsonschema

    if validator.is_type(value, "string") and not re.fullmatch(pattern, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _refuse_invalid(config: Mapping[str, Any], schema: Schema) -> None:
    import jsonschema

    base = jsonschema.Draft202012Validator
    validator = jsonschema.validators.extend(base, {"pattern": _full_match})(schema)
    for error in sorted(validator.iter_errors(config), key=lambda found: list(found.path)):
        path = "/".join(str(part) for part in error.absolute_path) or "(top level)"
        about = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
        raise ConfigError(
            f"config key {path!r}: {error.message}" + (f" ({about})" if about else "")
        )


def get(config: Mapping[str, Any], path: str) -> Any:
    """Value of a key written with slashes."""
    value: Any = config
    for part in path.split("/"):
        value = value[part]
    return value


def training_seeds(config: Mapping[str, Any]) -> list[int]:
    """Seeds of the networks to train: ``train/seeds``, or the study's ``seed`` alone."""
    return list(config["train"]["seeds"] or [config["seed"]])


def flat(config: Mapping[str, Any], *paths: str) -> dict[str, Any]:
    """Settings as keyword arguments, each named by the last part of its path.

    A path that names a block gives all settings directly in it (not in blocks below it).

    Raises
    ------
    ConfigError
        If two paths end in the same name.
    """
    out: dict[str, Any] = {}
    for path in paths:
        value = get(config, path)
        if isinstance(value, Mapping):
            found = {k: v for k, v in value.items() if not isinstance(v, Mapping)}
        else:
            found = {path.rpartition("/")[2]: value}
        clash = sorted(set(found) & set(out))
        if clash:
            raise ConfigError(f"setting {clash[0]!r} is named twice among {', '.join(paths)}")
        out.update(found)
    return dict(sorted(out.items()))
