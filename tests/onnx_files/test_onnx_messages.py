"""Tests of the number of messages in an ONNX file, which is limited before they take memory."""

import pytest

from refconv.onnx import InvalidModelError, load
from refconv.onnx.reading import messages
from refconv.onnx.reading.messages import check_messages

onnx = pytest.importorskip("onnx")

MODEL = onnx.ModelProto.DESCRIPTOR
GRAPH, NODE, ATTRIBUTE = b"\x3a", b"\x0a", b"\x2a"  # tags of fields with bytes


def varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def field(tag, content):
    return tag + varint(len(content)) + content


def count(data):
    """Return the number of messages: the smallest limit that accepts them."""
    return next(limit for limit in range(100) if is_accepted(data, limit))


def is_accepted(data, limit):
    try:
        check_messages(data, MODEL, limit)
    except InvalidModelError:
        return False
    return True


def test_messages_inside_messages_are_counted():
    node = field(NODE, field(ATTRIBUTE, b"") * 3)
    assert count(b"\x08\x08" + field(GRAPH, node * 2)) == 1 + 2 * 4
    assert count(field(b"\x12", b"a producer's name" * 100)) == 0
    assert count(b"") == 0


def test_messages_after_groups_and_numbers_are_counted():
    group = b"\x9b\x06" + field(NODE, b"") + b"\x9c\x06"  # field 99
    assert count(group + b"\x99\x06" + bytes(8) + b"\x9d\x06" + bytes(4) + field(GRAPH, field(NODE, b""))) == 2


def test_the_count_ends_at_damaged_data():
    for damage in (b"\x0f", b"\x3a\x7f", b"\xff", b"\xff" * 20, b"\x0c"):
        assert count(field(GRAPH, field(NODE, b"")) + damage) == 2


def test_the_messages_of_a_network_are_counted():
    axes = onnx.helper.make_attribute("axes", [1, 2])
    node = onnx.helper.make_node("ReduceMean", ["x"], ["y"])
    node.attribute.append(axes)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], []))
    expected = ["graph", "node", "attribute", "input", "type", "tensor", "shape", "dim", "dim", "opset"]
    assert count(model.SerializeToString()) == len(expected)


def test_a_file_of_many_empty_nodes_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.ModelProto, "ParseFromString", lambda self, data: pytest.fail("parsed"), raising=False)
    path = tmp_path / "m.onnx"
    path.write_bytes(field(GRAPH, field(NODE, b"") * (messages.MAX_MESSAGES + 1)))
    message = r"m\.onnx: the file must contain at most 500000 nodes, attributes and other messages, got more"
    with pytest.raises(InvalidModelError, match=message):
        load(path)
