"""The way to every tensor of a model: graphs, their nodes, the nodes' attributes, and the graphs in these.

Source: ``onnx/onnx.proto`` (1.23), messages ModelProto, GraphProto, NodeProto, AttributeProto, SparseTensorProto,
TrainingInfoProto and FunctionProto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.onnx.onnx_tensors import TensorMessage, read_tensor
from git_theta.formats.onnx.protobuf_reader import BYTES, ProtobufField, ProtobufReader
from git_theta.formats.unique_names import UniqueNames

GRAPH = 7
_TRAINING, _FUNCTION = 20, 25
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15
_OUTPUT, _NODE_NAME, _ATTRIBUTE = 2, 3, 5
_ATTRIBUTE_NAME = 1
_TENSORS, _GRAPHS, _SPARSE_TENSORS = (5, 10), (6, 11), (22, 23)
_REPEATED = (10, 11, 23)
"""Those of them that an attribute can have several of."""
_TRAINING_GRAPHS = {1: "initialization", 2: "algorithm"}
_FUNCTION_NAME, _FUNCTION_NODE = 1, 7
_SPARSE_PARTS = {1: "values", 2: "indices"}
_SMALLEST_CONSTANT = 1024
"""Bytes of a tensor in a node's attribute from which on it is weights: below it is a shape, an axis, a number."""
_MAX_DEPTH = 100
"""Messages in each other, as protobuf's own readers allow."""
_MAX_ATTRIBUTES = 10_000
_LONGEST_PATH = 16 << 10


class FoundTensor(NamedTuple):
    """A tensor of a model, and its name in it."""

    name: str
    message: TensorMessage


def find_tensors(source: Source) -> Iterator[FoundTensor]:
    """The tensors of a model, in file order. Raises FormatError where it is damaged or hostile, or names one twice."""
    return _GraphWalker(ProtobufReader(source)).walk_model(source.size)


class _GraphWalker:
    def __init__(self, reader: ProtobufReader) -> None:
        self._reader = reader
        self._names = UniqueNames()
        self._initializers: set[str] = set()

    def walk_model(self, size: int) -> Iterator[FoundTensor]:
        trainings = 0
        for field in self._reader.read_fields(0, size):
            if field.wire != BYTES:
                continue
            if field.number == GRAPH:
                yield from self._walk_graph(field, "", 1)
            elif field.number == _TRAINING:
                yield from self._walk_training(field, f"training.{trainings}")
                trainings += 1
            elif field.number == _FUNCTION:
                yield from self._walk_function(field)

    def _walk_training(self, message: ProtobufField, path: str) -> Iterator[FoundTensor]:
        for field in self._reader.read_fields(message.offset, message.end):
            if field.wire == BYTES and field.number in _TRAINING_GRAPHS:
                yield from self._walk_graph(field, _join_path(path, _TRAINING_GRAPHS[field.number]), 2)

    def _walk_function(self, message: ProtobufField) -> Iterator[FoundTensor]:
        path = ""
        for index, field in enumerate(self._reader.read_fields(message.offset, message.end)):
            if field.wire == BYTES and field.number == _FUNCTION_NAME:
                path = self._reader.read_text(field)
            elif field.wire == BYTES and field.number == _FUNCTION_NODE:
                yield from self._walk_node(field, path, index, 2)

    def _walk_graph(self, message: ProtobufField, path: str, depth: int) -> Iterator[FoundTensor]:
        if depth > _MAX_DEPTH:
            raise FormatError(f"graphs are nested more than {_MAX_DEPTH} messages deep")
        for index, field in enumerate(self._reader.read_fields(message.offset, message.end)):
            if field.wire != BYTES:
                continue
            if field.number == _NODE:
                yield from self._walk_node(field, path, index, depth + 1)
            elif field.number == _INITIALIZER:
                yield self._read_initializer(field, path)
            elif field.number == _SPARSE_INITIALIZER:
                yield from self._read_sparse(field, path)

    def _walk_node(self, message: ProtobufField, path: str, index: int, depth: int) -> Iterator[FoundTensor]:
        name, output = "", ""
        attributes: list[ProtobufField] = []
        for field in self._reader.read_fields(message.offset, message.end):
            if field.wire == BYTES and field.number == _ATTRIBUTE:
                attributes.append(field)
                if len(attributes) > _MAX_ATTRIBUTES:
                    raise FormatError(f"a node has more than {_MAX_ATTRIBUTES} attributes")
            elif field.wire == BYTES and field.number == _NODE_NAME:
                name = self._reader.read_text(field)
            elif field.wire == BYTES and field.number == _OUTPUT and not output:
                output = self._reader.read_text(field)
        for attribute in attributes:
            yield from self._walk_attribute(attribute, (path, name or output or f"node{index}"), depth + 1)

    def _walk_attribute(self, message: ProtobufField, node: tuple[str, str], depth: int) -> Iterator[FoundTensor]:
        path, of_list = "", 0
        for field in self._reader.read_fields(message.offset, message.end):
            if field.wire != BYTES:
                continue
            if field.number == _ATTRIBUTE_NAME:
                path = _join_path(*node, self._reader.read_text(field))
            elif field.number in (*_TENSORS, *_GRAPHS, *_SPARSE_TENSORS):
                path = path or _join_path(*node)
                place = _join_path(path, str(of_list)) if field.number in _REPEATED else path
                of_list += 1
                yield from self._walk_value(field, place, depth)

    def _walk_value(self, field: ProtobufField, path: str, depth: int) -> Iterator[FoundTensor]:
        """What an attribute holds: a tensor that is large enough to be weights, or another graph."""
        if field.number in _GRAPHS:
            yield from self._walk_graph(field, path, depth + 1)
        elif field.size >= _SMALLEST_CONSTANT and field.number in _TENSORS:
            yield FoundTensor(self._names.claim_name(path), read_tensor(self._reader, field))
        elif field.size >= _SMALLEST_CONSTANT:
            yield from self._read_sparse(field, path)

    def _read_initializer(self, field: ProtobufField, path: str) -> FoundTensor:
        message = read_tensor(self._reader, field)
        name = _join_path(path, message.name)
        if not message.name or name in self._initializers:
            raise FormatError("an initialiser has no name, or that of another one", parameter=name)
        self._initializers.add(name)
        return FoundTensor(self._names.claim_name(name), message)

    def _read_sparse(self, sparse: ProtobufField, path: str) -> Iterator[FoundTensor]:
        """Values and indices, called after the values, which have the initialiser's name."""
        parts = {}
        for field in self._reader.read_fields(sparse.offset, sparse.end):
            if field.wire == BYTES and field.number in _SPARSE_PARTS:
                parts[_SPARSE_PARTS[field.number]] = read_tensor(self._reader, field)
        name = next((message.name for part, message in parts.items() if part == "values"), "")
        for part, message in parts.items():
            yield FoundTensor(self._names.claim_name(_join_path(path, name, part)), message)


def _join_path(*components: str) -> str:
    path = ".".join([component for component in components if component])
    if len(path) > _LONGEST_PATH:
        raise FormatError(f"the way to a tensor is over {_LONGEST_PATH} characters long")
    return path
