"""A strict walk of raw JSON answers against the service models that botocore ships.

boto3 itself accepts unknown members and wrong types without a word, so its own parsing proves nothing. Nothing here
talks to anybody: bodies and shapes come in, a list of problems comes out.
"""

# Timestamps are epoch seconds: between the years 2001 and 2286. Milliseconds would be a thousand times that.
EPOCH_SECONDS = (1e9, 1e10)


def walk(shape, value, path):
    """Every way in which `value` differs from `shape`: unknown, missing-required and mistyped members."""
    kind = shape.type_name
    if kind == "structure":
        return walk_structure(shape, value, path)
    if kind == "list":
        if not isinstance(value, list):
            return mistyped(path, "a list", value)
        return [p for at, item in enumerate(value) for p in walk(shape.member, item, f"{path}[{at}]")]
    if kind == "map":
        if not isinstance(value, dict):
            return mistyped(path, "a map", value)
        return [p for key, item in value.items() for p in walk(shape.value, item, f"{path}[{key!r}]")]
    return walk_scalar(shape, value, path)


def walk_structure(shape, value, path):
    if not isinstance(value, dict):
        return mistyped(path, "an object", value)
    # Members with a location of their own (headers, status) are not in the body.
    members = {
        member.serialization.get("name", name): member
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    problems = [f"{path}.{name}: unknown member" for name in value if name not in members]
    problems += [f"{path}.{name}: required, and missing" for name in shape.required_members if name not in value]
    # A DynamoDB value has exactly one type, though the model does not say so.
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


def mistyped(path, wanted, value):
    return [f"{path}: {value!r} where the model has {wanted}"]


def walk_success(operation, body, status):
    """Problems of a successful answer."""
    problems = [] if status == 200 else [f"{operation.name}: status {status}"]
    if operation.output_shape is None:
        return problems
    return problems + walk(operation.output_shape, body, operation.name)


def walk_error(operation, code, body, status, unmodelled):
    """Problems of an error answer; `unmodelled` maps the codes that AWS sends outside the model to their status."""
    path = f"{operation.name}!{code}"
    shapes = {shape.name: shape for shape in operation.error_shapes}
    if code not in shapes:
        if unmodelled.get(code) != status:
            return [f"{path}: status {status}, and not an error of this operation"]
        # These come from a layer before the service, which has a message to give and nothing else.
        extra = [name for name in body if name not in ("message", "Message")]
        return [f"{path}.{name}: unknown member" for name in extra]
    error = shapes[code].metadata.get("error", {})
    wanted = error.get("httpStatusCode", 500 if shapes[code].metadata.get("fault") else 400)
    problems = [] if status == wanted else [f"{path}: status {status} instead of {wanted}"]
    return problems + walk(shapes[code], with_modelled_message(shapes[code], body), path)


def with_modelled_message(shape, body):
    """DynamoDB writes `message` or `Message` as it likes, and clients read both."""
    if not isinstance(body, dict):
        return body
    for written, modelled in (("message", "Message"), ("Message", "message")):
        if written in body and written not in shape.members and modelled in shape.members:
            body = {(modelled if name == written else name): value for name, value in body.items()}
    return body
