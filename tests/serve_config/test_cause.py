"""What is told of an application that does not start: the error, not that there was one."""

from __future__ import annotations

import pytest

from axiom.serve.local import cause

APPLICATION = "Failed to update the deployments ['Predict']."
DEPLOYMENT = """The deployment failed to start 3 times in a row. It may be its constructor. Error:
\x1b[36mray::ServeReplica:predict:Predict.initialize_and_get_metadata()\x1b[39m (pid=7, ip=127.0.0.1)
  File "/usr/lib/python3.11/concurrent/futures/_base.py", line 449, in result
    return self.__get_result()
RuntimeError: Traceback (most recent call last):
  File "replica.py", line 1909, in initialize
    await self._user_callable_wrapper.call_user_health_check()
  File "deployment.py", line 41, in __init__
    raise Error("KeyError: not this one")
"""


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (
            [APPLICATION, DEPLOYMENT + "PermissionError: [Errno 13] Permission denied: '/x'"],
            "PermissionError: [Errno 13]",
        ),
        ([APPLICATION, DEPLOYMENT + "axiom.errors.NotFoundError: there is no lake"], "NotFoundError: there is no lake"),
        (
            ["Deploying failed: ray.exceptions.RayTaskError\naxiom.errors.MisuseError: wrong\nValueError: later"],
            "MisuseError: wrong",
        ),
        (["ray.exceptions.RayTaskError(MisuseError): \x1b[36mray::build()\x1b[39m"], "ray.exceptions.RayTaskError"),
        ([APPLICATION, ""], APPLICATION),
        (["", ""], "no reason given"),
    ],
)
def test_the_innermost_error_is_the_cause(texts: list[str], told: str) -> None:
    assert cause(texts).startswith(told)
