"""A strict check of raw JSON responses against the service models that botocore ships.

boto3 itself accepts unknown members and wrong types, so its own parsing proves nothing. This module
makes no calls: its functions take bodies and shapes, and return a list of problems.
"""

import datetime
import xml.etree.ElementTree as ElementTree

# Timestamps are epoch seconds between the years 2001 and 2286; milliseconds are far beyond.
EPOCH_SECONDS = (1e9, 1e10)
# Required by the model, and absent by its own text: while a job is in progress.
ABSENT_AT_TIMES = {("GetServiceLastAccessedDetailsResponse", "JobCompletionDate")}


def walk_success(operation, body, status):
    """Problems of a successful response."""
    problems = [] if status == 200 else [f"{operation.name}: status {status}"]
    if operation.output_shape is None:
        return problems
    return problems + walk(operation.output_shape, body, operation.name)


def walk_error(operation, code, body, status, unmodeled):
    """Problems of an error; `unmodeled` maps codes that the model does not have to statuses."""
    path = f"{operation.name}!{code}"
    shapes = {error_code(shape): shape for shape in operation.error_shapes}
    if code not in shapes:
        if unmodeled.get(code) != status:
            return [f"{path}: status {status}, and not an error of this operation"]
        # A layer in front of the service responds with these errors. They have only a message.
        extra = [name for name in body if name not in ("message", "Message")]
        return [f"{path}.{name}: unknown member" for name in extra]
    shape = shapes[code]
    expected = error_status(shape)
    problems = [] if status == expected else [f"{path}: status {status} instead of {expected}"]
    return problems + walk(shape, with_modeled_message(shape, body), path)


def error_code(shape):
    """The code of an error on the wire, which may differ from its name in the model."""
    return shape.metadata.get("error", {}).get("code", shape.name)


def from_xml(operation, text):
    """Code (none of a success) and body of an AWS Query response, as JSON would have them."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    error = root.find("Error")
    if error is not None:
        return error.findtext("Code"), {"message": error.findtext("Message")}
    result = root.find(f"{operation.name}Result")
    return None, value_of(operation.output_shape, result)


def value_of(shape, element):
    """The value of an element. Of what the model does not have, `walk` finds the text unknown."""
    kind = shape.type_name if shape else "string"
    if kind == "structure":
        members = {child.tag: child for child in element}
        return {name: value_of(shape.members.get(name), it) for name, it in members.items()}
    if kind == "list":
        return [value_of(shape.member, entry) for entry in element]
    text = element.text or ""
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(text).timestamp()
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in ("integer", "long"):
        return int(text)
    return text


def error_status(shape):
    """The HTTP status that the model gives an error."""
    default = 500 if shape.metadata.get("fault") else 400
    return shape.metadata.get("error", {}).get("httpStatusCode", default)


def walk(shape, value, path):
    """All differences between `value` and `shape`: unknown, missing and mistyped members."""
    kind = shape.type_name
    if kind == "structure":
        return walk_structure(shape, value, path)
    if kind == "list":
        if not isinstance(value, list):
            return mistyped(path, "a list", value)
        items = enumerate(value)
        return [p for at, item in items for p in walk(shape.member, item, f"{path}[{at}]")]
    if kind == "map":
        if not isinstance(value, dict):
            return mistyped(path, "a map", value)
        items = value.items()
        return [p for key, item in items for p in walk(shape.value, item, f"{path}[{key!r}]")]
    return walk_scalar(shape, value, path)


def walk_structure(shape, value, path):
    if not isinstance(value, dict):
        return mistyped(path, "an object", value)
    # Members with a location (headers, status) are not in the body.
    members = {
        member.serialization.get("name", name): member
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    required = [it for it in shape.required_members if (shape.name, it) not in ABSENT_AT_TIMES]
    missing = [name for name in required if name not in value]
    problems = [f"{path}.{name}: unknown member" for name in value if name not in members]
    problems += [f"{path}.{name}: required, and missing" for name in missing]
    # An attribute value has exactly one type. The model does not express that.
    if shape.name == "AttributeValue" and len(value) != 1:
        problems.append(f"{path}: {len(value)} types in one attribute value")
    for name, item in value.items():
        if name in members:
            problems += walk(members[name], item, f"{path}.{name}")
    return problems


def walk_scalar(shape, value, path):
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    kind = shape.type_name
    if kind == "timestamp":
        if not is_number:
            return mistyped(path, "a number of epoch seconds", value)
        if not EPOCH_SECONDS[0] < value < EPOCH_SECONDS[1]:
            return [f"{path}: {value} is not a time in epoch seconds"]
        return []
    is_right = {
        "string": isinstance(value, str),
        "character": isinstance(value, str),
        "blob": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": is_number and isinstance(value, int),
        "long": is_number and isinstance(value, int),
        "float": is_number,
        "double": is_number,
    }[kind]
    if not is_right:
        return mistyped(path, f"a {kind}", value)
    if kind == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        return [f"{path}: {value!r} is not one of {shape.enum}"]
    return []


def mistyped(path, expected, value):
    return [f"{path}: {value!r} instead of {expected}"]


def with_modeled_message(shape, body):
    """DynamoDB writes `message` or `Message`, whatever the model says; clients read both. Errors
    that have no members in the model have a message all the same."""
    if not isinstance(body, dict):
        return body
    if not shape.members:
        return {name: value for name, value in body.items() if name not in ("message", "Message")}
    for written, modeled in (("message", "Message"), ("Message", "message")):
        if written in body and written not in shape.members and modeled in shape.members:
            renamed = {written: modeled}
            body = {renamed.get(name, name): value for name, value in body.items()}
    return body
