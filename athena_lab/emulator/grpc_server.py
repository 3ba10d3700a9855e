"""The gRPC server: every call is identified before its method is looked up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import grpc

from athena_lab.emulator import storage_write
from athena_lab.emulator.access import Guard, Principal, asking
from athena_lab.emulator.faults import BigQueryError, engine_fault
from athena_lab.emulator.storage_read import SERVICE, STATUS, StorageRead
from athena_lab.emulator.storage_types import types
from athena_lab.emulator.storage_write import StorageWrite
from athena_lab.errors import AthenaError

logger = logging.getLogger(__name__)
_THREADS = 256
"""Made when needed: a reader that is slow, or a writer that has nothing to say, keeps one."""
Method = Callable[[Any, Principal], Any]


def make_grpc_server(
    storage: StorageRead, writing: StorageWrite, guard: Guard, address: str
) -> tuple[grpc.Server, int]:
    """Make the server, bound to `address`; give it with its port."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"),
        interceptors=(_AccessInterceptor(guard),),
        options=[
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", 32 * 1024**2),
            ("grpc.so_reuseport", 0),
        ],
    )
    handlers = (
        grpc.method_handlers_generic_handler(SERVICE, _handlers(storage, guard)),
        grpc.method_handlers_generic_handler(storage_write.SERVICE, _write_handlers(writing, guard)),
    )
    server.add_generic_rpc_handlers(handlers)
    return server, server.add_insecure_port(address)


METHODS = ("CreateReadSession", "ReadRows", "SplitReadStream")
"""Of the Storage Read API."""


def _handlers(storage: StorageRead, guard: Guard) -> dict[str, Any]:
    return {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(
            _single(storage.create_read_session, guard),
            types.CreateReadSessionRequest.deserialize,
            types.ReadSession.serialize,
        ),
        "ReadRows": grpc.unary_stream_rpc_method_handler(
            _stream(storage.read_rows, guard), types.ReadRowsRequest.deserialize, None
        ),
        "SplitReadStream": grpc.unary_unary_rpc_method_handler(
            _single(storage.split_read_stream, guard),
            types.SplitReadStreamRequest.deserialize,
            types.SplitReadStreamResponse.serialize,
        ),
    }


def _write_handlers(writing: StorageWrite, guard: Guard) -> dict[str, Any]:
    unary = {
        "CreateWriteStream": (writing.create_write_stream, types.CreateWriteStreamRequest, types.WriteStream),
        "GetWriteStream": (writing.get_write_stream, types.GetWriteStreamRequest, types.WriteStream),
        "FinalizeWriteStream": (
            writing.finalize_write_stream,
            types.FinalizeWriteStreamRequest,
            types.FinalizeWriteStreamResponse,
        ),
        "FlushRows": (writing.flush_rows, types.FlushRowsRequest, types.FlushRowsResponse),
        "BatchCommitWriteStreams": (
            writing.batch_commit_write_streams,
            types.BatchCommitWriteStreamsRequest,
            types.BatchCommitWriteStreamsResponse,
        ),
    }
    made = {
        name: grpc.unary_unary_rpc_method_handler(_single(method, guard), asked.deserialize, answered.serialize)
        for name, (method, asked, answered) in unary.items()
    }
    made["AppendRows"] = grpc.stream_stream_rpc_method_handler(
        _stream(writing.append_rows, guard), types.AppendRowsRequest.deserialize, types.AppendRowsResponse.serialize
    )
    return made


def authorization_of(metadata: Any) -> str | None:
    """Give the authorization header of a call's metadata."""
    return next((str(value) for key, value in metadata or () if key.lower() == "authorization"), None)


class _AccessInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuse a call without a valid token, whatever its method."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        try:
            self._guard.identify(authorization_of(details.invocation_metadata))
        except AthenaError as error:
            message = str(error)
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
            )
        return continuation(details)


def _single(method: Method, guard: Guard) -> Callable[[Any, Any], Any]:
    def handle(request: Any, context: Any) -> Any:
        try:
            principal = guard.identify(authorization_of(context.invocation_metadata()))
            with asking(principal):
                return method(request, principal)
        except Exception as error:  # noqa: BLE001 (the front's edge: told to the caller, ours logged)
            return _abort(context, error)

    return handle


def _stream(method: Method, guard: Guard) -> Callable[[Any, Any], Iterator[Any]]:
    def handle(request: Any, context: Any) -> Iterator[Any]:
        try:
            principal = guard.identify(authorization_of(context.invocation_metadata()))
            answers = iter(method(request, principal))
            while True:
                with asking(principal):  # not beyond the yield: others may use the thread meanwhile
                    answer = next(answers, None)
                if answer is None or not context.is_active():
                    return
                yield answer
        except Exception as error:  # noqa: BLE001 (the front's edge: told to the caller, ours logged)
            _abort(context, error)

    return handle


def _abort(context: Any, error: Exception) -> Any:
    if isinstance(error, duckdb.Error):
        error = engine_fault(error)
    if isinstance(error, BigQueryError):
        return context.abort(STATUS.get(error.status, grpc.StatusCode.INVALID_ARGUMENT), error.message)
    if isinstance(error, AthenaError):
        return context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
    logger.error("a Storage API call failed", exc_info=error)
    return context.abort(grpc.StatusCode.UNIMPLEMENTED, "The embedded warehouse failed; its log says why.")
