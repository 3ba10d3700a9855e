"""Start gateways quickly: import everything once, then fork a process for each line that asks for one.

Importing takes seconds of processor time, which a test that restarts the gateway a dozen times cannot
spend. Each child is a process like any other: it may be killed, and its exit code is its own.
"""

import json
import os
import sys
import traceback


def serve() -> None:
    from athena_lab.gateway.main import main

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            become(order, main)
        print(json.dumps({"pid": pid}), flush=True)


def become(order, main) -> None:
    """Be the gateway, with its own output and environment; never come back."""
    code = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(order["environ"])
        code = main(order["arguments"])
    except BaseException:  # noqa: BLE001 (whatever it was, the child must end here)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
