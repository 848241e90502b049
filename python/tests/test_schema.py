"""Annotations to schemas, by table; and the messages for what cannot be a schema.

It must not start processes.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Dict

import pytest

from onstage.contract import Contract
from onstage.entry import find
from onstage.errors import DeclarationError

HEAD = """
import dataclasses, datetime, enum, pathlib, typing
from typing import *
from typing import Annotated, Literal
import onstage as on

class Zone(enum.Enum):
    NORTH = "N"
    SOUTH = "S"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

@dataclasses.dataclass
class Fish:
    name: str
    weight: Annotated[float, on.Input("In kg", ge=0)] = 1.0
    tags: List[str] = dataclasses.field(default_factory=list)
    parent: "Optional[Fish]" = None
    age: int = None

Age = NewType("Age", int)

class Point(TypedDict):
    x: float
    y: float

class Partial(TypedDict, total=False):
    x: float

@dataclasses.dataclass
class Input:
    a: int
"""


def contract(source: str, future: bool = False) -> Contract:
    name = "model_of_a_schema_test"
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(("from __future__ import annotations\n" if future else "") + HEAD + source, module.__dict__)
    return Contract(find(module.__dict__, name, "model.py"))


def schemas(source: str, future: bool = False) -> Dict[str, Any]:
    return contract(source, future).schema()["components"]["schemas"]


def prop(annotation: str, default: str = "", future: bool = False) -> Dict[str, Any]:
    made = schemas(f"@on.predict\ndef f(a_value: {annotation}{default}): ...", future)
    found = made["Input"]["properties"]["a_value"]
    assert found.pop("title") == "A value"
    assert found.pop("x-order") == 0
    assert made["Input"]["required"] == ([] if default or "nullable" in found else ["a_value"])
    return found


URI = {"type": "string", "format": "uri"}
TYPES = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Any": {},
    "dict": {"type": "object"},
    "list": {"type": "array", "items": {}},
    "List[int]": {"type": "array", "items": {"type": "integer"}},
    "Tuple[int, ...]": {"type": "array", "items": {"type": "integer"}},
    "Sequence[str]": {"type": "array", "items": {"type": "string"}},
    "List": {"type": "array", "items": {}},
    "Sequence": {"type": "array", "items": {}},
    "Mapping": {"type": "object"},
    "Set[int]": {"type": "array", "items": {"type": "integer"}},
    "FrozenSet[str]": {"type": "array", "items": {"type": "string"}},
    "set": {"type": "array", "items": {}},
    "Age": {"type": "integer"},
    "Dict[str, float]": {"type": "object", "additionalProperties": {"type": "number"}},
    "Optional[int]": {"type": ["integer", "null"], "nullable": True},
    "Union[int, float]": {"type": "number"},
    "Literal['a', 'b']": {"type": "string", "enum": ["a", "b"]},
    "Literal[1, 2]": {"type": "integer", "enum": [1, 2]},
    "Optional[Literal['a']]": {"type": ["string", "null"], "enum": ["a", None], "nullable": True},
    "Zone": {"type": "string", "enum": ["N", "S"]},
    "Level": {"type": "integer", "enum": [1, 2]},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "pathlib.Path": {**URI, "x-onstage-type": "file"},
    "on.File": {**URI, "x-onstage-type": "file"},
    "on.Image": {**URI, "x-onstage-type": "image"},
    "on.Audio": {**URI, "x-onstage-type": "audio"},
    "on.Video": {**URI, "x-onstage-type": "video"},
    "on.Table": {**URI, "x-onstage-type": "table"},
    "Optional[on.Image]": {"type": ["string", "null"], "format": "uri", "x-onstage-type": "image", "nullable": True},
    "on.Markdown": {"type": "string", "x-onstage-type": "markdown"},
    "on.Scores": {"type": "object", "additionalProperties": {"type": "number"}, "x-onstage-type": "scores"},
    "on.Plot": {"type": "object", "x-onstage-type": "plot"},
    "on.Secret": {"type": "string", "format": "password", "writeOnly": True, "x-onstage-type": "secret"},
    "Fish": {"allOf": [{"$ref": "#/components/schemas/Fish"}]},
    "Point": {"allOf": [{"$ref": "#/components/schemas/Point"}]},
    "Optional[Point]": {"anyOf": [{"$ref": "#/components/schemas/Point"}, {"type": "null"}], "nullable": True},
    "Annotated[int, on.Input('Help', ge=1, le=5)]": {
        "type": "integer",
        "description": "Help",
        "minimum": 1,
        "maximum": 5,
    },
    "List[Annotated[int, on.Input(ge=0)]]": {"type": "array", "items": {"type": "integer", "minimum": 0}},
}


@pytest.mark.parametrize("future", [False, True], ids=["real", "text"])
@pytest.mark.parametrize("annotation", TYPES)
def test_a_type_is_a_schema(annotation, future):
    assert prop(annotation, future=future) == TYPES[annotation]


def test_new_style_unions_and_lists_also_on_old_python():
    assert prop("int | None", future=True) == TYPES["Optional[int]"]
    assert prop("list[str] | None", future=True)["type"] == ["array", "null"]
    assert prop("dict[str, int]", future=True)["additionalProperties"] == {"type": "integer"}


RULES = {
    "on.Input('Help')": {"description": "Help"},
    "on.Input(min_length=1, max_length=9, regex='^a')": {"minLength": 1, "maxLength": 9, "pattern": "^a"},
    "on.Input(choices=['a', 'b'])": {"enum": ["a", "b"]},
}


@pytest.mark.parametrize("rules", RULES)
def test_rules_are_in_the_schema(rules):
    made = schemas(f"@on.predict\ndef f(x: str = {rules}): ...")["Input"]
    expected = {"type": "string", "title": "X", "x-order": 0, **RULES[rules]}
    assert made["properties"]["x"] == expected
    assert made["required"] == ["x"]


def test_defaults_are_in_the_schema_in_every_way_of_writing_them():
    assert prop("str", " = 'N'") == {"type": "string", "default": "N"}
    assert prop("str", " = on.Input(default='N')") == {"type": "string", "default": "N"}
    assert prop("Annotated[int, on.Input(ge=1)]", " = 3") == {"type": "integer", "minimum": 1, "default": 3}
    assert prop("Zone", " = Zone.SOUTH") == {"type": "string", "enum": ["N", "S"], "default": "S"}
    assert prop("datetime.date", " = datetime.date(2026, 1, 2)")["default"] == "2026-01-02"
    assert prop("Optional[str]", " = None") == {"type": ["string", "null"], "nullable": True}
    assert prop("List[int]", " = on.Input(default=[1])")["default"] == [1]
    assert prop("int", " = None") == {"type": ["integer", "null"], "nullable": True}


def test_a_default_file_is_not_in_the_schema_because_no_form_can_send_it():
    plain = {**URI, "x-onstage-type": "image"}
    assert prop("on.Image", " = 'fish.png'") == plain
    assert prop("on.Image", " = on.Image(b'')") == plain
    assert prop("bytes", " = b'abc'") == {**URI, "x-onstage-type": "file"}


def test_choices_are_plain_and_without_repetition():
    assert prop("str", " = on.Input(choices='aab', default='a')")["enum"] == ["a", "b"]
    assert prop("Zone", " = on.Input(choices=[Zone.NORTH], default=Zone.NORTH)")["enum"] == ["N"]
    assert prop("Literal['a', 'b', 'c']", " = on.Input(choices=['a', 'b'], default='a')")["enum"] == ["a", "b"]


def test_setups_and_ctx_are_never_inputs_however_they_are_written():
    source = """
@on.setup
def net() -> int: ...

@on.predict
def f(x: int, net: int, ctx: Optional[on.Ctx] = None) -> int: ...
"""
    for future in (False, True):
        assert list(schemas(source, future)["Input"]["properties"]) == ["x"]


def test_partials_and_callable_objects_have_their_own_annotations():
    source = """
import functools

def scale(x: "float", by: float) -> float: ...

class Model:
    def __call__(self, x: float) -> float: ...
"""
    for predictor in ("functools.partial(scale, by=2.0)", "Model()"):
        made = contract(source + f"f = on.predict({predictor})").schema()
        assert made["components"]["schemas"]["Input"]["properties"]["x"]["type"] == "number"
        assert made["components"]["schemas"]["Output"]["type"] == "number"
        assert made["function"] in ("scale", "Model")


def test_a_many_function_of_the_same_name_does_not_hide_the_predict_function():
    made = contract("""
@on.predict
def f(x: int) -> int: ...

@f.many(max=3)
def f(rows): ...
""").schema()
    assert made["many"] == {"max": 3, "wait_ms": 0}


def test_records_have_names_of_their_own_and_may_hold_themselves():
    made = schemas("@on.predict\ndef f(fish: Fish, other: Input, part: Partial) -> List[Fish]: ...")
    assert list(made)[:2] == ["Input", "Output"]
    assert list(made["Input"]["properties"]) == ["fish", "other", "part"]
    fish = made["Fish"]
    assert fish["required"] == ["name"]
    assert fish["additionalProperties"] is False
    assert fish["properties"]["weight"] == {
        "type": "number",
        "title": "Weight",
        "x-order": 1,
        "description": "In kg",
        "minimum": 0,
        "default": 1.0,
    }
    assert fish["properties"]["parent"]["anyOf"][0] == {"$ref": "#/components/schemas/Fish"}
    assert fish["properties"]["age"]["type"] == ["integer", "null"]
    assert made["Input2"]["properties"]["a"]["type"] == "integer"
    assert made["Partial"]["required"] == []
    assert made["Output"] == {"title": "Output", "type": "array", "items": {"$ref": "#/components/schemas/Fish"}}


def test_the_whole_answer():
    made = contract("""
@on.setup
def net(): ...

@on.predict(background=True)
def age_of_fish(photo: on.Image, draws: int = 1, *, net, ctx: on.Ctx) -> None:
    '''How old is it.

    Longer.
    '''

@age_of_fish.many(max=7, wait_ms="auto")
def _(rows): ...
""").schema()
    assert list(made["components"]["schemas"]["Input"]["properties"]) == ["photo", "draws"]
    assert {key: made[key] for key in ("title", "help", "function", "background", "streams", "many")} == {
        "title": "How old is it",
        "help": "Longer.",
        "function": "age_of_fish",
        "background": True,
        "streams": False,
        "many": {"max": 7, "wait_ms": "auto"},
    }
    assert contract("@on.predict\ndef age_of_fish(x: int): ...").schema()["title"] == "Age of fish"
    assert schemas("@on.predict\ndef f(x: int): ...")["Output"] == {}


REFUSED = {
    "x: complex": "parameter `x` of `f` has the type `complex`",
    "x": "parameter `x` of `f` has no type; write for example `x: str`",
    "x: Union[int, str]": "not supported",
    "x: Dict[int, str]": "keys of parameter `x`",
    "x: Iterator[int]": "only answers can stream",
    "*xs: int": "`*xs`",
    "**xs: int": "`*xs`",
    "x: str = on.Input(ge=1)": "`ge` of parameter `x` of `f` needs a number",
    "x: int = on.Input(regex='a')": "`regex`",
    "x: str = on.Input(regex='(')": "not a regular expression",
    "x: int = on.Input(min_length=1)": "`min_length`",
    "x: int = on.Input(choices=['a'])": "must be of its type",
    "x: str = on.Input(choices=[])": "empty",
    "x: int = on.Input(ge=5, le=1)": "larger",
    "x: int = on.Input(ge=5, default=1)": "outside its own limits",
    "x: str = on.Input(choices=['a'], default='b')": "is not among its choices",
    "x: int = 'one'": "does not fit its type",
    "x: 'Nowhere'": "`Nowhere` is not defined",
    "x: Annotated[int, on.Input(ge=1)] = 0": "outside its own limits",
    "x: str = on.Input(max_length=1, default='ab')": "shorter or longer",
    "x: List[int] = on.Input(min_length=1, default=[])": "shorter or longer",
    "x: str = on.Input(regex='^[a-z]+$', default='1')": "does not match its `regex`",
    "x: float = on.Input(ge=float('nan'))": "`ge` of parameter `x` of `f` is a finite number, not nan",
    "x: float = on.Input(le='1')": "is a finite number, not '1'",
    "x: str = on.Input(min_length=-1)": "is a whole number from 0, not -1",
    "x: str = on.Input(min_length=2, max_length=1)": "larger than its `max_length`",
    "x: Literal['a'] = on.Input(choices=['z'])": "must be of its type: one of 'a'",
    "x: on.Image = 5": "does not fit its type",
    "x: Tuple[int, str]": "a dataclass with a name for each place",
    "x: datetime": "the module `datetime`, which is not supported; use `datetime.date` or `datetime.datetime`",
    "x: [int]": "not supported",
    "*, net": "or write an `@on.setup` function named `net`",
}


@pytest.mark.parametrize("parameters", REFUSED)
def test_what_cannot_be_shown_is_refused_by_name(parameters):
    with pytest.raises(DeclarationError) as raised:
        schemas(f"@on.predict\ndef f({parameters}): ...")
    assert REFUSED[parameters] in str(raised.value)


DECORATED = {
    "@on.predict\nclass F:\n    def __init__(self): ...": "not on a class",
    "@on.predict\n@on.setup\ndef f(): ...": "already has a decorator",
    "@on.predict('Title')\ndef f(x: int): ...": "not on str",
    "@on.predict\ndef f(x: int = on.Input(5)): ...": "`Input` has the help text first, not 5",
    "@on.setup\ndef net():\n    yield 1": "must not yield",
    "@on.setup\ndef net(path: str): ...\n@on.predict\ndef f(*, net): ...": "`path` of the set-up function `net`",
    "@on.setup\ndef a(*, b): ...\n@on.setup\ndef b(*, a): ...\n@on.predict\ndef f(*, a): ...": "`a` → `b` → `a`",
    "@on.predict\ndef f(x: int): ...\n@f.many(wait_ms=float('inf'))\ndef _(rows): ...": "`wait_ms`",
}


@pytest.mark.parametrize("source", DECORATED)
def test_misplaced_decorators_say_what_is_wrong(source):
    with pytest.raises(DeclarationError) as raised:
        schemas(source)
    assert DECORATED[source] in str(raised.value)


def test_async_functions_are_refused():
    with pytest.raises(DeclarationError, match="not `async def`"):
        schemas("@on.predict\nasync def f(x: int): ...")
